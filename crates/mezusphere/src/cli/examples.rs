//! An example for each command, at the end of its help and of its man page. The tests read each as the program would.

use clap::Command;

/// Commands, each with how it is used.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("up", &["mezusphere up", "mezusphere up --data ./data --https 127.0.0.1:8443 --http 127.0.0.1:8080"]),
    (
        "login",
        &[
            "mezusphere login https://console.example.com --email ada@example.com",
            "mezusphere login http://127.0.0.1:9901 < token-file",
        ],
    ),
    ("logout", &["mezusphere logout"]),
    ("whoami", &["mezusphere whoami", "mezusphere whoami --api https://console.example.com --json"]),
    (
        "approve",
        &[
            "mezusphere approve ABCD-EF29",
            "mezusphere approve ABCD-EF29 --name ci --workload shop --from 192.0.2.0/24 --days 30 --yes",
            "mezusphere approve ABCD-EF29 --refuse",
        ],
    ),
    (
        "key create",
        &["mezusphere key create --name laptop", "mezusphere key create --account ci --out ./key --days 30"],
    ),
    ("key list", &["mezusphere key list --all"]),
    ("key revoke", &["mezusphere key revoke laptop"]),
    ("account list", &["mezusphere account list"]),
    ("account create", &["mezusphere account create ci --workload shop --from 192.0.2.0/24"]),
    ("account show", &["mezusphere account show ci"]),
    (
        "account set",
        &["mezusphere account set ci --workload shop --workload api", "mezusphere account set ci --from-anywhere"],
    ),
    ("account delete", &["mezusphere account delete ci"]),
    (
        "route add",
        &[
            "mezusphere route add shop.example.com --workload shop",
            "mezusphere route add a.example.com --workload api --path /v1 --body-limit 1MiB",
            "mezusphere route add a.example.com --workload api --stages stages.json",
        ],
    ),
    ("route list", &["mezusphere route list --host shop.example.com"]),
    ("route show", &["mezusphere route show shop.example.com/api"]),
    (
        "route set",
        &[
            "mezusphere route set shop.example.com/api --rate-limit 200/1m --unset cors",
            "mezusphere route set shop.example.com --maintenance",
            "mezusphere route set shop.example.com/api --rank 1 --any-method",
        ],
    ),
    ("route order", &["mezusphere route order shop.example.com"]),
    ("route stages", &["mezusphere route stages"]),
    ("route remove", &["mezusphere route remove shop.example.com/api"]),
    ("workload list", &["mezusphere workload list --label tier=front"]),
    ("workload create", &["mezusphere workload create shop --label tier=front"]),
    ("workload label", &["mezusphere workload label shop tier=front owner=ada"]),
    ("workload rename", &["mezusphere workload rename shop store"]),
    ("workload delete", &["mezusphere workload delete shop --with-routes"]),
    ("hostname list", &["mezusphere hostname list"]),
    ("hostname claim", &["mezusphere hostname claim shop.example.com"]),
    ("hostname release", &["mezusphere hostname release shop.example.com"]),
    ("publish list", &["mezusphere publish list"]),
    ("undo", &["mezusphere undo", "mezusphere undo 0190b3d2-5c1e-7a60-8000-0123456789ab"]),
    ("draft list", &["mezusphere draft list"]),
    (
        "draft write",
        &[
            "mezusphere draft write sale -f shop.toml",
            "mezusphere draft write sale -f shop.toml --at 2026-12-24T06:00:00Z",
            "mezusphere draft write sale --ops changes.json",
        ],
    ),
    ("draft show", &["mezusphere draft show sale"]),
    ("draft diff", &["mezusphere draft diff sale"]),
    ("draft publish", &["mezusphere draft publish sale"]),
    ("draft schedule", &["mezusphere draft schedule sale 2h", "mezusphere draft schedule sale never"]),
    ("draft discard", &["mezusphere draft discard sale"]),
    ("org list", &["mezusphere org list"]),
    ("org create", &["mezusphere org create acme"]),
    ("org rename", &["mezusphere org rename apex --org acme"]),
    ("member list", &["mezusphere member list"]),
    ("member invite", &["mezusphere member invite ada@example.com --role admin"]),
    ("member role", &["mezusphere member role ada@example.com editor"]),
    ("member disable", &["mezusphere member disable ada@example.com"]),
    ("member enable", &["mezusphere member enable ada@example.com"]),
    ("member reset", &["mezusphere member reset ada@example.com"]),
    ("member remove", &["mezusphere member remove ada@example.com"]),
    (
        "try",
        &[
            "mezusphere try GET https://shop.example.com/cart",
            "mezusphere try POST shop.example.com/api -H 'X-Beta: 1' --from 192.0.2.7",
            "mezusphere try GET shop.example.com/ --draft sale",
        ],
    ),
    ("why", &["mezusphere why 4bf92f3577b34da6a3ce929d0e0e4736"]),
    ("requests", &["mezusphere requests --status 5xx", "mezusphere requests --route shop.example.com/api --limit 100"]),
    ("audit list", &["mezusphere audit list --action route.create", "mezusphere audit list --refused"]),
    ("audit verify", &["mezusphere audit verify", "mezusphere audit verify --offline"]),
    ("status", &["mezusphere status", "mezusphere status --json"]),
    ("export", &["mezusphere export > shop.toml"]),
    ("diff", &["mezusphere diff shop.toml"]),
    (
        "apply",
        &[
            "mezusphere apply -f shop.toml",
            "mezusphere apply -f shop.toml --yes",
            "mezusphere apply -f shop.toml --dry-run",
        ],
    ),
    ("backup", &["mezusphere backup /backups/monday"]),
    ("restore", &["mezusphere restore /backups/monday --data ./data"]),
    ("completions", &["mezusphere completions bash > /etc/bash_completion.d/mezusphere"]),
    ("man", &["mezusphere man /usr/local/share/man/man1"]),
];

/// The same commands, each with its examples.
pub(super) fn put(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_string()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name.clone(), |sub| put_below(sub, name)))
}

fn put_below(command: Command, path: String) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_string()).collect();
    let command = names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |sub| put_below(sub, path))
    });
    match EXAMPLES.iter().find(|(of, _)| *of == path) {
        Some((_, examples)) => command.after_help(format!("Examples:\n  {}", examples.join("\n  "))),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::Cli;

    /// All commands that do something, by their words.
    fn leaves(command: &Command, path: &str, all: &mut Vec<(String, Command)>) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name()).trim().to_string();
            assert!(sub.get_about().is_some(), "{path} does not say what it does");
            if sub.has_subcommands() {
                leaves(sub, &path, all);
            } else {
                all.push((path, sub.clone()));
            }
        }
    }

    /// A line as a shell splits it, without what it redirects.
    fn words(line: &str) -> Vec<String> {
        let line = line.split([' ']).scan(false, |_, word| Some(word)).take_while(|word| !matches!(*word, ">" | "<"));
        let line = line.collect::<Vec<_>>().join(" ");
        let parts = line.split('\'').enumerate();
        parts
            .flat_map(|(n, part)| {
                if n % 2 == 1 { vec![part.to_string()] } else { part.split_whitespace().map(str::to_string).collect() }
            })
            .collect()
    }

    #[test]
    fn every_command_says_what_it_does_and_has_an_example_that_is_taken() {
        let mut all = Vec::new();
        leaves(&Cli::command(), "", &mut all);
        assert!(all.len() > 50, "{}", all.len());
        for (path, command) in &all {
            let (_, examples) =
                EXAMPLES.iter().find(|(of, _)| of == path).unwrap_or_else(|| panic!("{path} has no example"));
            for example in *examples {
                assert!(example.starts_with(&format!("mezusphere {path}")), "{example}");
                assert!(example.len() <= 92, "{example} does not fit a terminal");
                if let Err(error) = Cli::try_parse_from(words(example)) {
                    panic!("{example}: {error}");
                }
            }
            for arg in command.get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())) {
                let is_plain = arg.is_positional() && arg.get_num_args().is_none_or(|range| range.takes_values());
                assert!(arg.get_help().is_some() || is_plain, "{path}: {} says nothing", arg.get_id());
            }
        }
        for (path, _) in EXAMPLES {
            assert!(all.iter().any(|(of, _)| of == path), "there is no command {path}");
        }
        let help = put(Cli::command()).find_subcommand_mut("try").unwrap().render_help().to_string();
        assert!(help.contains("Examples:\n  mezusphere try GET"), "{help}");
    }
}
