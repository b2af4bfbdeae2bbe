#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

fn claim(key: u16, address: &str) -> Claim {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&key.to_be_bytes());
    let (host, user, agent) = ("laptop".into(), "eve".into(), "test".into());
    Claim { key: PublicKey(bytes), address: address.parse().unwrap(), org: None, host, user, agent }
}

fn wait(machines: &Machines, claim: Claim, now: Instant) -> Waiting {
    match machines.ask(claim, now, Micros(0)) {
        Ok(Told::Waits(waiting)) => waiting,
        other => panic!("{other:?}"),
    }
}

fn org(name: &str) -> Label {
    name.parse().unwrap()
}

fn grant() -> Grant {
    Grant { org: org("acme"), account: org("laptop"), expires_at: None }
}

#[tokio::test]
async fn a_code_is_good_for_one_decision() {
    let (machines, now) = (Machines::default(), Instant::now());
    let waiting = wait(&machines, claim(1, "192.0.2.1"), now);
    let code = waiting.code;
    assert_eq!(machines.look("a", &org("acme"), code, now).unwrap().claim, claim(1, "192.0.2.1"));
    let taken = machines.take("a", &org("acme"), code, now).unwrap();
    assert_eq!(machines.take("b", &org("acme"), code, now).unwrap_err(), Missed::Taken);
    taken.decide(Verdict::LetIn(grant()));
    assert_eq!(machines.take("a", &org("acme"), code, now).unwrap_err(), Missed::None);
    assert_eq!(waiting.verdict().await, Verdict::LetIn(grant()));
    assert_eq!(machines.len(), 0);
}

#[tokio::test]
async fn a_decision_that_fails_leaves_the_request_and_one_that_is_not_heard_is_told_again() {
    let (machines, now) = (Machines::default(), Instant::now());
    let waiting = wait(&machines, claim(1, "192.0.2.1"), now);
    drop(machines.take("a", &org("acme"), waiting.code, now).unwrap());
    let taken = machines.take("a", &org("acme"), waiting.code, now).unwrap();
    // The machine's connection is lost while the key is being made.
    drop(waiting);
    assert_eq!(machines.len(), 0);
    let redialled = wait(&machines, claim(1, "192.0.2.1"), now);
    taken.decide(Verdict::LetIn(grant()));
    assert_eq!((redialled.verdict().await, machines.len()), (Verdict::LetIn(grant()), 0));
    assert!(matches!(machines.ask(claim(1, "192.0.2.1"), now, Micros(0)), Ok(Told::Known(known)) if known == grant()));
    assert!(matches!(machines.ask(claim(2, "192.0.2.1"), now, Micros(0)), Ok(Told::Waits(_))));
    let later = Instant::now() + LASTS + Duration::from_secs(1);
    assert!(matches!(machines.ask(claim(1, "192.0.2.1"), later, Micros(0)), Ok(Told::Waits(_))), "not for ever");
}

#[tokio::test]
async fn a_request_expires_and_whoever_goes_away_has_withdrawn_it() {
    let (machines, now) = (Machines::default(), Instant::now());
    let mut waiting = wait(&machines, claim(1, "192.0.2.1"), now);
    let code = waiting.code;
    let late = now + LASTS;
    assert_eq!(machines.look("a", &org("acme"), code, late), Err(Missed::None));
    assert_eq!(machines.take("a", &org("acme"), code, late).unwrap_err(), Missed::None);
    waiting.lasts = Duration::from_millis(10);
    assert_eq!(waiting.verdict().await, Verdict::Expired);
    assert_eq!(machines.len(), 0);
    let waiting = wait(&machines, claim(1, "192.0.2.1"), now);
    let code = waiting.code;
    drop(waiting);
    assert_eq!(machines.look("b", &org("acme"), code, now), Err(Missed::None));
}

#[tokio::test]
async fn a_machine_that_names_an_org_is_found_by_no_other() {
    let (machines, now) = (Machines::default(), Instant::now());
    let waiting = wait(&machines, Claim { org: Some(org("acme")), ..claim(1, "192.0.2.1") }, now);
    assert_eq!(machines.look("a", &org("other"), waiting.code, now), Err(Missed::None));
    assert!(machines.look("a", &org("acme"), waiting.code, now).is_ok());
}

#[tokio::test]
async fn guessing_is_slow_and_slows_nobody_else() {
    let (machines, now) = (Machines::default(), Instant::now());
    let waiting = wait(&machines, claim(1, "192.0.2.1"), now);
    let wrong: MachineCode = "AAAA-AAAA".parse().unwrap();
    assert_ne!(wrong, waiting.code);
    for _ in 0..10 {
        assert_eq!(machines.look("guesser", &org("acme"), wrong, now), Err(Missed::None));
    }
    assert_eq!(machines.look("guesser", &org("acme"), wrong, now), Err(Missed::Wait(Duration::from_secs(60))));
    assert!(
        matches!(machines.take("guesser", &org("acme"), waiting.code, now), Err(Missed::Wait(_))),
        "nor the right one"
    );
    for _ in 0..20 {
        assert!(machines.look("other", &org("acme"), waiting.code, now).is_ok(), "what leads somewhere costs nothing");
    }
}

#[tokio::test]
async fn a_flood_is_bounded_by_network_in_all_and_in_time() {
    let (machines, now) = (Machines::default(), Instant::now());
    let mut held = Vec::new();
    for key in 0..10 {
        held.push(wait(&machines, claim(key, &format!("192.0.2.{key}")), now));
    }
    assert!(machines.ask(claim(99, "192.0.2.99"), now, Micros(0)).is_err(), "a network has ten");
    held.push(wait(&machines, claim(100, "198.51.100.1"), now));
    held.clear();
    assert!(machines.ask(claim(99, "192.0.2.99"), now, Micros(0)).is_err(), "and not as many again at once");
    held.push(wait(&machines, claim(99, "192.0.2.99"), now + Duration::from_secs(31)));
    held.clear();

    for key in 0..u16::try_from(MOST).unwrap() {
        let address = format!("10.{}.{}.1", key / 250, key % 250);
        held.push(wait(&machines, claim(key, &address), now));
    }
    assert!(machines.ask(claim(5000, "203.0.113.1"), now, Micros(0)).is_err());
    assert_eq!(machines.len(), MOST);
    held.pop();
    held.push(wait(&machines, claim(5000, "203.0.113.1"), now));
}

#[tokio::test]
async fn a_machine_that_dials_again_has_one_request() {
    let (machines, now) = (Machines::default(), Instant::now());
    let first = wait(&machines, claim(1, "192.0.2.1"), now);
    let second = wait(&machines, claim(1, "192.0.2.1"), now);
    assert_eq!(machines.len(), 1);
    assert_eq!(machines.look("a", &org("acme"), first.code, now), Err(Missed::None));
    assert_eq!(first.verdict().await, Verdict::Expired);
    assert!(machines.look("a", &org("acme"), second.code, now).is_ok(), "the old one takes nothing with it");
}
