#![allow(clippy::unwrap_used, clippy::panic)]

use clap::Parser as _;

use super::args::{Command, UpArgs};
use super::*;
use mezu_edge::access_log::AccessLogTarget;

use crate::up::HttpWish;

fn up(flags: &[&str]) -> UpArgs {
    let words = ["mezusphere", "up"].iter().chain(flags);
    match Cli::try_parse_from(words).unwrap().command {
        Command::Up(args) => *args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_flags_that_scripts_rely_on() {
    let line = "--data /d --https 127.0.0.1:8443 --http 127.0.0.1:8080 --admin 127.0.0.1:9000 --base-domain Example.ORG \
                --workers 4 --drain-timeout 5s --access-log - --log-format json";
    let args = up(&line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(args.data.directory().to_str(), Some("/d"));
    assert_eq!(args.https, Some("127.0.0.1:8443".parse().unwrap()));
    assert_eq!(args.http, Some(HttpWish::At("127.0.0.1:8080".parse().unwrap())));
    assert_eq!(args.base_domain.as_str(), "example.org");
    assert_eq!(args.access_log.0, Some(AccessLogTarget::Stdout));
    assert_eq!(up(&["--http", "off"]).http, Some(HttpWish::Off));
    assert_eq!(up(&["--access-log", "/var/log/a"]).access_log.0, Some(AccessLogTarget::File("/var/log/a".into())));
    assert_eq!(up(&[]).access_log.0, None);
}

#[test]
fn wrong_usage_is_refused() {
    for flags in [
        vec!["up", "--https", "443"],
        vec!["up", "--base-domain", "a_b"],
        vec!["up", "--workers", "0"],
        vec!["up", "--drain-timeout", "5"],
        vec!["up", "--tls-cert", "a.pem"],
        vec!["route", "add", "a.test"],
        vec!["route", "add", "a.test", "--workload", "x", "--path", "api"],
        vec!["route", "add", "a.test", "--workload", "x", "--set", "nothing={}"],
        vec!["route", "add", "a.test", "--workload", "x", "--set", "body_limit={"],
        vec!["key", "create", "--name", "not a label"],
    ] {
        let words = std::iter::once("mezusphere").chain(flags.iter().copied());
        assert!(Cli::try_parse_from(words).is_err(), "{flags:?}");
    }
}

#[test]
fn every_setting_of_up_has_an_environment_variable_and_help() {
    let command = Cli::command();
    let up = command.find_subcommand("up").unwrap();
    for arg in up.get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())) {
        let name = arg.get_long().unwrap().replace('-', "_").to_uppercase();
        let variable = arg.get_env().and_then(|name| name.to_str());
        assert_eq!(variable, Some(format!("MEZUSPHERE_{name}").as_str()));
        assert!(arg.get_help().is_some(), "{name}");
    }
}
