//! Members, their orgs, sessions, tokens, invitations, and the first run.

use std::time::Duration;

use mezu_model::{Email, InvitationId, MemberId, Role, TokenId};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn member_id(n: u8) -> MemberId {
    MemberId::from_bytes([n; 16])
}

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

fn done() -> NewEvent {
    NewEvent::done("test", "x")
}

impl World {
    /// A member of the org with that role.
    async fn person(&self, n: u8, org: OrgId, role: Role) -> MemberId {
        let mut change = self.store.change(NOW).await.unwrap();
        let id = member_id(n);
        let email = email(&format!("m{n}@example.com"));
        let new = NewMember { id, email, name: format!("Member {n}"), password: Some("$argon2id$x".into()) };
        change.create_member(new).await.unwrap();
        change.add_membership(org, id, role).await.unwrap();
        change.commit(done()).await.unwrap();
        id
    }
}

contract! {
    async fn an_org_always_keeps_an_owner_who_can_sign_in(world: World) {
        let (ada, bob) = (world.person(1, world.org, Role::Owner).await, world.person(2, world.org, Role::Admin).await);
        let mut change = world.store.change(NOW).await.unwrap();
        let demoted = change.set_role(world.org, ada, Role::Admin, None).await.unwrap_err();
        assert!(matches!(demoted, StoreError::LastOwner), "{demoted}");
        let removed = change.remove_membership(world.org, ada, None).await.unwrap_err();
        assert!(matches!(removed, StoreError::LastOwner), "{removed}");
        let disabled = change.disable_member(ada).await.unwrap_err();
        assert!(matches!(disabled, StoreError::LastOwner), "{disabled}");
        // An owner who cannot sign in is none.
        change.set_role(world.org, bob, Role::Owner, None).await.unwrap();
        change.disable_member(bob).await.unwrap();
        let demoted = change.set_role(world.org, ada, Role::Editor, None).await.unwrap_err();
        assert!(matches!(demoted, StoreError::LastOwner), "{demoted}");
        change.enable_member(bob).await.unwrap();
        change.set_role(world.org, ada, Role::Editor, None).await.unwrap();
        change.remove_membership(world.org, ada, None).await.unwrap();
        change.commit(done()).await.unwrap();
        let mut view = world.store.view().await.unwrap();
        let seats = view.members(world.org, &Slice::default()).await.unwrap().items;
        assert_eq!(seats.iter().map(|seat| (seat.member.id, seat.role)).collect::<Vec<_>>(), [(bob, Role::Owner)]);
        assert!(matches!(view.membership(world.org, ada).await, Err(StoreError::NotFound { .. })));
        assert_eq!(view.orgs_of(bob, &Slice::default()).await.unwrap().items[0].0.id, world.org);
    }

    async fn an_edit_must_know_what_it_edits(world: World) {
        let ada = world.person(1, world.org, Role::Owner).await;
        let bob = world.person(2, world.org, Role::Owner).await;
        let mut change = world.store.change(NOW).await.unwrap();
        let first = change.update_member(ada, "Ada", &email("Ada@Example.com"), Some(1)).await.unwrap();
        assert_eq!((first.version, first.email.as_str()), (2, "ada@example.com"));
        let stale = change.update_member(ada, "Eve", &first.email, Some(1)).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale { current: 2, .. }), "{stale}");
        let stale = change.set_role(world.org, bob, Role::Viewer, Some(9)).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale { current: 1, .. }), "{stale}");
        let renamed = change.rename_org(world.org, &label("new-name"), Some(1)).await.unwrap();
        assert_eq!(renamed.version, 2);
        assert!(matches!(change.rename_org(world.org, &label("x"), Some(1)).await, Err(StoreError::Stale { .. })));
        change.commit(done()).await.unwrap();
    }

    async fn one_address_is_one_member(world: World) {
        let ada = world.person(1, world.org, Role::Owner).await;
        let new = NewMember { id: member_id(9), email: email("M1@example.COM"), name: String::new(), password: None };
        let mut change = world.store.change(NOW).await.unwrap();
        let taken = change.create_member(new).await.unwrap_err();
        assert!(matches!(taken, StoreError::Taken { .. }), "{taken}");
        drop(change);
        let mut view = world.store.view().await.unwrap();
        assert_eq!(view.member_by_email(&email("m1@example.com")).await.unwrap().unwrap().id, ada);
        assert!(view.has_members().await.unwrap());
    }

    async fn a_code_counts_once(world: World) {
        let ada = world.person(1, world.org, Role::Owner).await;
        let mut change = world.store.change(NOW).await.unwrap();
        change.set_totp(ada, Some("JBSWY3DPEHPK3PXP".into())).await.unwrap();
        assert!(change.use_totp_step(ada, 100).await.unwrap());
        assert!(!change.use_totp_step(ada, 100).await.unwrap());
        assert!(!change.use_totp_step(ada, 99).await.unwrap());
        assert!(change.use_totp_step(ada, 101).await.unwrap());
        let credentials = change.credentials(ada).await.unwrap();
        assert_eq!(credentials.totp_step, Some(101));
        assert!(!format!("{credentials:?}").contains("JBSW"), "{credentials:?}");
        let shown = change.member(ada).await.unwrap();
        assert!(shown.has_totp && shown.has_password);
    }

    async fn sessions_begin_end_and_are_bounded(world: World) {
        let ada = world.person(1, world.org, Role::Owner).await;
        let bob = world.person(2, world.org, Role::Owner).await;
        let session = |n: u8, member| NewSession { hash: [n; 32], member, expires_at: after(HOUR),
            source: "192.0.2.1".into(), agent: "a browser".into() };
        let mut change = world.store.change(NOW).await.unwrap();
        for n in 1..=u8::try_from(SESSIONS_PER_MEMBER).unwrap() + 3 {
            change.create_session(session(n, ada)).await.unwrap();
        }
        change.create_session(session(200, bob)).await.unwrap();
        change.commit(done()).await.unwrap();
        let mut view = world.store.view().await.unwrap();
        assert_eq!(view.sessions(ada, NOW).await.unwrap().len(), SESSIONS_PER_MEMBER);
        let (found, member) = view.signed_in(&[200; 32], NOW).await.unwrap().unwrap();
        assert_eq!((found.member, member.id), (bob, bob));
        assert!(view.signed_in(&[200; 32], after(HOUR)).await.unwrap().is_none());
        assert!(view.signed_in(&[201; 32], NOW).await.unwrap().is_none());
        drop(view);
        world.store.touch_session(&[200; 32], after(HOUR / 2)).await.unwrap();
        let mut change = world.store.change(NOW).await.unwrap();
        assert_eq!(change.sessions(bob, NOW).await.unwrap()[0].seen_at, after(HOUR / 2));
        change.disable_member(bob).await.unwrap();
        assert!(change.signed_in(&[200; 32], NOW).await.unwrap().is_none());
        let kept = change.sessions(ada, NOW).await.unwrap()[0].hash;
        assert_eq!(change.end_sessions(ada, Some(&kept)).await.unwrap(), SESSIONS_PER_MEMBER as u64 - 1);
        assert!(change.end_session(&kept).await.unwrap());
        assert!(!change.end_session(&kept).await.unwrap());
    }

    async fn a_token_may_never_do_more_than_its_member(world: World) {
        let (ada, bob) = (world.person(1, world.org, Role::Owner).await, world.person(2, world.org, Role::Editor).await);
        let (other, _) = org_with_key(&world.store, "other", 2).await;
        let id = TokenId::from_bytes([1; 16]);
        let new = NewToken { id, member: bob, name: "ci".into(), role: Role::Admin, hash: [1; 32], hint: "abcd".into(),
            expires_at: Some(after(HOUR)) };
        let mut change = world.store.change(NOW).await.unwrap();
        let stranger = change.create_token(other, new.clone()).await.unwrap_err();
        assert!(matches!(stranger, StoreError::NotFound { .. }), "{stranger}");
        change.create_token(world.org, new).await.unwrap();
        let role = |found: Option<(Token, Role)>| found.map(|(_, role)| role);
        assert_eq!(role(change.bearer(&[1; 32], NOW).await.unwrap()), Some(Role::Editor));
        change.set_role(world.org, bob, Role::Owner, None).await.unwrap();
        assert_eq!(role(change.bearer(&[1; 32], NOW).await.unwrap()), Some(Role::Admin));
        assert_eq!(role(change.bearer(&[1; 32], after(HOUR)).await.unwrap()), None);
        change.disable_member(bob).await.unwrap();
        assert_eq!(role(change.bearer(&[1; 32], NOW).await.unwrap()), None);
        change.enable_member(bob).await.unwrap();
        change.remove_membership(world.org, bob, None).await.unwrap();
        change.add_membership(world.org, bob, Role::Owner).await.unwrap();
        // What was revoked with the membership does not come back with it.
        assert_eq!(role(change.bearer(&[1; 32], NOW).await.unwrap()), None);
        assert!(matches!(change.token(other, id).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(change.revoke_token(other, id).await, Err(StoreError::NotFound { .. })));
        assert_eq!(change.tokens(world.org, Some(ada), &Slice::default()).await.unwrap().items.len(), 0);
        assert_eq!(change.tokens(world.org, Some(bob), &Slice::default()).await.unwrap().items.len(), 1);
        change.commit(done()).await.unwrap();
        world.store.touch_token(id, NOW).await.unwrap();
        let token = world.store.view().await.unwrap().token(world.org, id).await.unwrap();
        assert_eq!((token.used_at, token.revoked_at), (Some(NOW), Some(NOW)));
    }

    async fn an_invitation_works_once_and_not_for_ever(world: World) {
        let ada = world.person(1, world.org, Role::Owner).await;
        let (other, _) = org_with_key(&world.store, "other", 2).await;
        let new = |n: u8| NewInvitation { id: InvitationId::from_bytes([n; 16]), email: email("new@example.com"),
            role: Role::Editor, hash: [n; 32], invited_by: Some(ada), expires_at: after(HOUR) };
        let mut change = world.store.change(NOW).await.unwrap();
        for n in 1..=3 {
            change.create_invitation(world.org, new(n)).await.unwrap();
        }
        assert!(change.open_invitation(&[1; 32], NOW).await.unwrap().is_some());
        assert_eq!(change.use_invitation(&[1; 32]).await.unwrap().used_at, Some(NOW));
        assert!(matches!(change.use_invitation(&[1; 32]).await, Err(StoreError::NotFound { .. })));
        let second = new(2).id;
        assert!(matches!(change.revoke_invitation(other, second).await, Err(StoreError::NotFound { .. })));
        change.revoke_invitation(world.org, second).await.unwrap();
        assert!(change.open_invitation(&[2; 32], NOW).await.unwrap().is_none());
        assert!(change.open_invitation(&[3; 32], after(HOUR)).await.unwrap().is_none());
        assert_eq!(change.invitations(world.org, &Slice::default()).await.unwrap().items.len(), 2);
        assert_eq!(change.invitations(other, &Slice::default()).await.unwrap().items.len(), 0);
        change.commit(done()).await.unwrap();
        let mut late = world.store.change(after(HOUR)).await.unwrap();
        assert!(matches!(late.use_invitation(&[3; 32]).await, Err(StoreError::NotFound { .. })));
    }

    async fn the_first_run_is_once(world: World) {
        let mut change = world.store.change(NOW).await.unwrap();
        assert_eq!(change.setup().await.unwrap(), Setup::New);
        assert!(change.open_setup(&[1; 32]).await.unwrap());
        assert!(change.open_setup(&[2; 32]).await.unwrap());
        assert_eq!(change.setup().await.unwrap(), Setup::Open);
        assert!(!change.use_setup(&[1; 32]).await.unwrap());
        assert!(change.use_setup(&[2; 32]).await.unwrap());
        assert!(!change.use_setup(&[2; 32]).await.unwrap());
        assert!(!change.open_setup(&[3; 32]).await.unwrap());
        assert!(!change.use_setup(&[3; 32]).await.unwrap());
        change.close_setup().await.unwrap();
        assert_eq!(change.setup().await.unwrap(), Setup::Done);
    }

    async fn a_recovery_code_is_used_once_and_goes_with_the_second_factor(world: World) {
        let ada = world.person(1, world.org, Role::Owner).await;
        let bob = world.person(2, world.org, Role::Owner).await;
        let mut change = world.store.change(NOW).await.unwrap();
        change.set_totp(ada, Some("sealed".into())).await.unwrap();
        change.set_recovery_codes(ada, &[[1; 32], [2; 32]]).await.unwrap();
        assert!(!change.use_recovery_code(bob, &[1; 32]).await.unwrap(), "another's");
        assert!(change.has_recovery_code(ada, &[1; 32]).await.unwrap());
        assert!(change.use_recovery_code(ada, &[1; 32]).await.unwrap());
        assert!(!change.use_recovery_code(ada, &[1; 32]).await.unwrap());
        assert_eq!((change.recovery_codes(ada).await.unwrap(), change.recovery_codes(bob).await.unwrap()), (1, 0));
        change.set_recovery_codes(ada, &[[3; 32]]).await.unwrap();
        assert!(!change.has_recovery_code(ada, &[2; 32]).await.unwrap());
        change.set_totp(ada, None).await.unwrap();
        assert_eq!(change.recovery_codes(ada).await.unwrap(), 0);
    }

    async fn a_hash_made_anew_does_not_undo_a_new_password(world: World) {
        let ada = world.person(1, world.org, Role::Owner).await;
        let mut change = world.store.change(NOW).await.unwrap();
        change.set_password(ada, Some("old".into())).await.unwrap();
        change.rehash_password(ada, "older", "lost").await.unwrap();
        assert_eq!(change.credentials(ada).await.unwrap().password.as_deref(), Some("old"));
        change.rehash_password(ada, "old", "new").await.unwrap();
        assert_eq!(change.credentials(ada).await.unwrap().password.as_deref(), Some("new"));
    }
}
