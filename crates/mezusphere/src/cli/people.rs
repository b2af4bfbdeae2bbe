//! `mezusphere org …`, `member …` and `audit …`.

use mezu_api::audit::{AuditReport, Event};
use mezu_api::invitation::{Invitation, NewInvitation};
use mezu_api::member::{Member, MemberPatch, Reset};
use mezu_api::org::{NewOrg, Org, OrgPatch};
use mezu_api::{Page, paths};
use owo_colors::OwoColorize as _;

use super::args::{AuditArgs, AuditCommand, MemberArgs, MemberCommand, OrgArgs, OrgCommand};
use super::client::Client;
use super::duration::day_and_time;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};

/// `mezusphere org …`.
pub(super) async fn org(args: OrgArgs) -> Result<(), Failure> {
    let (org, json, what): (Org, _, _) = match args.command {
        OrgCommand::List { client } => {
            let orgs: Vec<Org> = Client::new(&client)?.all(&format!("{}/orgs", paths::BASE)).await?;
            if client.json {
                return out::json(&orgs);
            }
            let mut table = Table::new(&["NAME", "CREATED (UTC)", "ID"]);
            for org in orgs {
                let id = Cell::new(org.id.to_string(), Tone::Quiet);
                table.row(vec![org.name.to_string().into(), day_and_time(&org.created_at.to_string()).into(), id]);
            }
            return table.print("No orgs.");
        }
        OrgCommand::Create { name, client } => {
            let path = format!("{}/orgs", paths::BASE);
            (
                Client::new(&client)?.post(&path, &NewOrg { name }).await?,
                client.json,
                "is made; invite its owner with `mezusphere member invite`",
            )
        }
        OrgCommand::Rename { name, client } => {
            let to = Client::new(&client)?;
            (to.patch(&to.org("").await?, &OrgPatch { name }).await?, client.json, "is what it is called now")
        }
    };
    if json { out::json(&org) } else { out::line(format_args!("Org {} {what}.", org.name.bold())) }
}

/// `mezusphere member …`.
pub(super) async fn member(args: MemberArgs) -> Result<(), Failure> {
    match args.command {
        MemberCommand::List { client } => members(&Client::new(&client)?, client.json).await,
        MemberCommand::Invite { email, role, client } => {
            let to = Client::new(&client)?;
            let made: Invitation = to.post(&to.org("/invitations").await?, &NewInvitation { email, role }).await?;
            if client.json {
                return out::json(&made);
            }
            out::note(format_args!(
                "{} is invited as {}. Hand this on; it is good for 72 hours:\n",
                made.email.bold(),
                made.role
            ));
            out::line(made.secret.unwrap_or_default())
        }
        MemberCommand::Role { member, role, client } => {
            let to = Client::new(&client)?;
            let found = find(&to, &member).await?;
            let path = to.org(&format!("/members/{}", found.id)).await?;
            let now: Member = to.patch(&path, &MemberPatch { role }).await?;
            if client.json {
                out::json(&now)
            } else {
                out::line(format_args!("{} is {} now.", now.email.bold(), now.role))
            }
        }
        MemberCommand::Disable { member, client } => {
            let to = Client::new(&client)?;
            switch(&to, &member, "disable", "is kept from signing in, and signed out", client.json).await
        }
        MemberCommand::Enable { member, client } => {
            let to = Client::new(&client)?;
            switch(&to, &member, "enable", "may sign in again", client.json).await
        }
        MemberCommand::Reset { member, client } => {
            let to = Client::new(&client)?;
            let found = find(&to, &member).await?;
            let made: Reset = to.order(&format!("{}/members/{}/reset", paths::BASE, found.id)).await?;
            if client.json {
                return out::json(&made);
            }
            out::note(format_args!(
                "{} has this password now and no second factor. It is shown only this once, and to be changed:\n",
                found.email.bold()
            ));
            out::line(made.password.unwrap_or_default())
        }
        MemberCommand::Remove { member, client } => {
            let to = Client::new(&client)?;
            let found = find(&to, &member).await?;
            to.delete(&to.org(&format!("/members/{}", found.id)).await?).await?;
            if client.json {
                return out::json(&serde_json::json!({ "id": found.id, "removed": true }));
            }
            out::line(format_args!("{} is no member any more.", found.email.bold()))
        }
    }
}

/// `mezusphere audit …`.
pub(super) async fn audit(args: AuditArgs) -> Result<(), Failure> {
    match args.command {
        AuditCommand::List { action, refused, limit, client } => {
            let to = Client::new(&client)?;
            let mut path = to.org(&format!("/audit?limit={limit}")).await?;
            if let Some(action) = action {
                if !action.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte)) {
                    return Err(Failure::Refused("an action is a noun and a verb, such as route.create".into()));
                }
                path.push_str(&format!("&action={action}"));
            }
            if refused {
                path.push_str("&outcome=refused");
            }
            let page: Page<Event> = to.get(&path).await?;
            if client.json {
                return out::json(&page.items);
            }
            let mut table = Table::new(&["SEQ", "AT (UTC)", "ACTION", "OUTCOME", "BY", "OBJECT"]);
            for event in page.items {
                let outcome = Cell::new(&event.outcome, if event.outcome == "done" { Tone::Good } else { Tone::Bad });
                let at = day_and_time(&event.at.to_string());
                let object = Cell::new(event.object, Tone::Quiet);
                table.row(vec![
                    event.seq.to_string().into(),
                    at.into(),
                    event.action.into(),
                    outcome,
                    out::actor(&event.actor).into(),
                    object,
                ]);
            }
            table.print("No such events.")
        }
        AuditCommand::Verify { offline, store, client } => {
            let report: AuditReport = match offline {
                true => super::store::verify_audit(&client.data, &store).await?,
                false => Client::new(&client)?.get(&format!("{}/audit/verify", paths::BASE)).await?,
            };
            if client.json {
                out::json(&report)?;
            } else if let (true, Some(events), Some(head)) = (report.is_whole, report.events, &report.head) {
                out::line(format_args!("{}: {events} events, the last has the hash {head}", "whole".green().bold()))?;
            }
            if report.is_whole {
                return Ok(());
            }
            let (seq, fault) = (report.broken_at.unwrap_or_default(), report.fault.unwrap_or_default());
            Err(Failure::Refused(format!("the audit log is broken at event {seq}: {fault}")))
        }
    }
}

async fn members(client: &Client, json: bool) -> Result<(), Failure> {
    let members: Vec<Member> = client.all(&client.org("/members").await?).await?;
    if json {
        return out::json(&members);
    }
    let mut table = Table::new(&["ADDRESS", "NAME", "ROLE", "SECOND FACTOR", "STATE", "ID"]);
    for member in members {
        let factor = if member.has_second_factor { Cell::new("yes", Tone::Good) } else { Cell::new("no", Tone::Bad) };
        let id = Cell::new(member.id.to_string(), Tone::Quiet);
        let state = if member.is_disabled { Cell::new("disabled", Tone::Bad) } else { "active".into() };
        table.row(vec![
            member.email.to_string().into(),
            member.name.into(),
            member.role.to_string().into(),
            factor,
            state,
            id,
        ]);
    }
    table.print("No members. Invite the first with `mezusphere member invite`.")
}

async fn switch(client: &Client, wanted: &str, verb: &str, what: &str, json: bool) -> Result<(), Failure> {
    let found = find(client, wanted).await?;
    let () = client.order(&format!("{}/members/{}/{verb}", paths::BASE, found.id)).await?;
    if json {
        return out::json(&serde_json::json!({ "id": found.id, "is_disabled": verb == "disable" }));
    }
    out::line(format_args!("{} {what}.", found.email.bold()))
}

async fn find(client: &Client, wanted: &str) -> Result<Member, Failure> {
    let members: Vec<Member> = client.all(&client.org("/members").await?).await?;
    let is_it = |one: &Member| one.email.as_str() == wanted.to_ascii_lowercase() || one.id.to_string() == wanted;
    let none = || Failure::Refused(format!("there is no member {wanted:?}; see `mezusphere member list`"));
    members.into_iter().find(is_it).ok_or_else(none)
}
