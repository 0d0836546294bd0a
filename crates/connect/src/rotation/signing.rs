//! Changes the certificate that Dynamics signs with, server by server, without a moment in which it has no valid one
//! (setup.md 5.3, the S2S column).
//!
//! Entra ID trusts the new certificate first; then it lies on every server beside the old one; then one write to the
//! configuration database switches, and the services are started anew one server after the other: whichever certificate
//! a server still signs with, it is trusted. Only after Dynamics itself has opened mailboxes with the new one, and after
//! a while, the old one goes.
//!
//! Dynamics finds a certificate by its subject. A new one of the old one's subject can't lie beside it, so it waits in a
//! store of its own and takes the old one's place server by server, while that server's services are stopped
//! (setup.md 5.4).

use std::{sync::Arc, time::Duration};

use hybridge_core::trouble::{Class, Trouble};
use hybridge_identity::{Certificate, Credential};
use jiff::SignedDuration;
use serde_json::json;

use super::{
    Error, Result,
    signing_state::{SigningEnded, SigningOptions, SigningStage, SigningState},
};
use crate::{
    Action, Journal, Obstacle, Outcome, Site, Step,
    steps::native::{
        STORE, dynamics_key, key_access, mailbox_test::MailboxTest, service_restart, signers,
        signing_certificate, signing_exchange, signing_record, signing_store,
    },
};

/// A rotation of the certificate that Dynamics signs with.
#[derive(Debug)]
pub struct SigningRotation<'a> {
    site: &'a Site,
    journal: &'a mut Journal,
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn obstacle(obstacle: Obstacle) -> Error {
    Error::Trouble(obstacle.trouble())
}

impl<'a> SigningRotation<'a> {
    /// A rotation, new or under way.
    pub fn new(site: &'a Site, journal: &'a mut Journal) -> Self {
        Self { site, journal }
    }

    fn files(&self) -> Result<&'a super::Files> {
        Ok(&self.site.native().map_err(obstacle)?.signing.files)
    }

    /// The rotation that is under way.
    ///
    /// # Errors
    /// When what was remembered of it can't be read.
    pub fn state(&self) -> Result<Option<SigningState>> {
        self.files()?.state_of()
    }

    /// Goes on from where an earlier run stopped, or begins. `seen` is told of every stage that is reached.
    ///
    /// # Errors
    /// What stands in the way. Whatever it is, every server signs with a certificate that Entra ID trusts, and another
    /// run goes on from there.
    pub async fn forward(
        &mut self,
        options: &SigningOptions,
        mut seen: impl FnMut(&SigningState),
    ) -> Result<SigningEnded> {
        let mut state = match self.state()? {
            Some(state) => of_another(state, options)?,
            None => self.issue(options).await?,
        };
        loop {
            seen(&state);
            if options.until == Some(state.stage) {
                return Ok(SigningEnded::Stopped(state));
            }
            state = match state.stage {
                SigningStage::Issued => self.trust(state).await?,
                SigningStage::Trusted => self.distribute(state).await?,
                SigningStage::Distributed => self.check(state).await?,
                SigningStage::Checked => self.switch(state).await?,
                SigningStage::Switched => self.restart(state).await?,
                SigningStage::Restarted => self.prove(state, options).await?,
                SigningStage::Proven => {
                    let now = self.site.now();
                    let shortened = now.checked_add(options.keep).unwrap_or(now);
                    let until = state.keep_until.map_or(shortened, |until| until.min(shortened));
                    if options.keep > SignedDuration::ZERO && now < until {
                        return Ok(SigningEnded::Keeping(SigningState { keep_until: Some(until), ..state }));
                    }
                    return self.clean(&state).await;
                }
            };
        }
    }

    /// Goes back to the old certificate. `None` when no rotation is under way.
    ///
    /// # Errors
    /// What stands in the way. The old certificate is trusted all the time.
    pub async fn back(&mut self) -> Result<Option<SigningState>> {
        let files = self.files()?;
        let Some(state) = self.state()? else {
            files.forget_new()?;
            return Ok(None);
        };
        if state.old_ends <= self.site.now() {
            let what = format!("the old certificate {} ended on {}", state.old, state.old_ends);
            let remedy =
                "There is nothing to go back to: `hybridge certificate rotate --target native` goes on.";
            return Err(Trouble::new(Class::Denied, what, remedy).into());
        }
        self.note("back", Outcome::Begun, &state)?;
        if state.same_subject && state.stage >= SigningStage::Checked {
            for server in signers(self.site).map_err(obstacle)? {
                signing_exchange::exchange(server, &state.old, &state.new).await.map_err(obstacle)?;
            }
        }
        let named = signing_record::current(self.site).await.map_err(obstacle)?;
        if named.is_some_and(|named| named.sha1_hex() == state.new) {
            signing_record::write(self.site, &old(&state)?).await.map_err(obstacle)?;
            service_restart::all(self.site).await.map_err(obstacle)?;
        }
        if files.holds(&state.new) && !state.in_place {
            files.take_back()?;
        }
        for server in signers(self.site).map_err(obstacle)? {
            let stays = signing_store::take_away(self.site, server, &state.new, state.aside()).await;
            if let Some(place) = stays.map_err(obstacle)? {
                tracing::info!(certificate = state.new, "the new certificate stays on {place}");
            }
        }
        dynamics_key::distrust(self.site, &state.new).await.map_err(obstacle)?;
        files.forget_new()?;
        files.forget_state()?;
        self.note("back", Outcome::Done, &state)?;
        Ok(Some(state))
    }

    /// What would be issued: whether it takes the place of one of the same subject. Changes nothing.
    ///
    /// # Errors
    /// Why Dynamics could not sign with it, and what to do.
    pub async fn foresee(&self, certificate: &Credential) -> Result<bool> {
        Ok(self.judged(certificate).await?.1)
    }

    /// The certificate in use, and whether the new one has its subject.
    async fn judged(&self, new: &Credential) -> Result<(Certificate, bool)> {
        signing_certificate::unfit(new, self.site.now()).map_err(obstacle)?;
        let Some(old) = signing_record::current(self.site).await.map_err(obstacle)? else {
            let remedy = "Set it up first: hybridge connect apply --target native";
            return Err(Trouble::new(Class::Denied, "Dynamics signs with no certificate yet", remedy).into());
        };
        let (new, thumbprint) = (new.certificate(), old.sha1_hex());
        if new.sha1_hex() == thumbprint {
            let what = format!("Dynamics signs with this certificate already ({thumbprint})");
            return Err(Trouble::new(Class::Denied, what, "Name the renewed one.").into());
        }
        let same = new.subject().eq_ignore_ascii_case(old.subject());
        signing_store::alone(self.site, new, if same { &thumbprint } else { "" }).await.map_err(obstacle)?;
        if same {
            signing_exchange::possible(self.site, &new.sha1_hex(), &thumbprint).await.map_err(obstacle)?;
        }
        Ok((old, same))
    }

    /// R1: a new certificate with a generation in its subject, so that both can lie in one store; or the one that is named.
    async fn issue(&mut self, options: &SigningOptions) -> Result<SigningState> {
        let signing = &self.site.native().map_err(obstacle)?.signing;
        let now = self.site.now();
        let new = if let Some(certificate) = &options.certificate {
            Arc::clone(certificate)
        } else {
            let name = format!("{}-{}", signing.name, now.strftime("%Y%m%d%H%M%S"));
            let made = Credential::self_signed(&name, now, options.days)
                .map_err(|error| Trouble::new(Class::Denied, error.to_string(), error.remedy()))?;
            Arc::new(made)
        };
        let (old, same_subject) = self.judged(&new).await?;
        let thumbprint = new.certificate().sha1_hex();
        let in_place = signing.files.holds(&thumbprint);
        signing.files.keep_new(&new)?;
        let state = SigningState {
            stage: SigningStage::Issued,
            old_certificate: base64_of(&old),
            old: old.sha1_hex(),
            old_ends: old.valid_until(),
            new: thumbprint,
            new_subject: new.certificate().subject().to_owned(),
            new_ends: new.certificate().valid_until(),
            same_subject,
            in_place,
            began: now,
            trusted_at: None,
            keep_until: None,
        };
        self.reached(&state)?;
        Ok(state)
    }

    /// R2: the collection of certificates is replaced as a whole, so it is read again, and written again where somebody
    /// else's write went over it (setup.md 3.1, defect 5).
    async fn trust(&mut self, mut state: SigningState) -> Result<SigningState> {
        const TRIES: u32 = 3;
        let new = self.files()?.new_one()?;
        for attempt in 1..=TRIES {
            dynamics_key::trust(self.site, new.certificate()).await.map_err(obstacle)?;
            tokio::time::sleep(self.site.settling()).await;
            let trusted = dynamics_key::trusted(self.site).await.map_err(obstacle)?;
            if [&state.old, &state.new].into_iter().all(|print| trusted.contains(print)) {
                state.trusted_at = Some(self.site.now());
                return self.enter(state, SigningStage::Trusted);
            }
            if !trusted.contains(&state.old) {
                let what = format!("Entra ID does not trust the certificate in use any more ({})", state.old);
                let remedy = "Another tool has removed it. `hybridge certificate rotate --target native` goes on to the new one.";
                tracing::warn!(what, remedy);
                dynamics_key::trust(self.site, &old(&state)?).await.map_err(obstacle)?;
            }
            tracing::info!(attempt, "the certificates do not read as they were written");
        }
        let what = "Entra ID does not keep the new certificate beside the old one";
        let remedy = "Another tool may write there at the same time. Run the same command again, it goes on from here.";
        Err(Trouble::new(Class::Transient, what, remedy).into())
    }

    /// R3: the old one stays where it is.
    async fn distribute(&mut self, state: SigningState) -> Result<SigningState> {
        let new = self.files()?.new_one()?;
        for server in signers(self.site).map_err(obstacle)? {
            if state.same_subject {
                signing_exchange::bring(self.site, server, &new).await.map_err(obstacle)?;
            } else {
                signing_store::bring(self.site, server, &new, STORE).await.map_err(obstacle)?;
                key_access::grant(server, &state.new, STORE).await.map_err(obstacle)?;
            }
            tracing::info!(server = server.name, "the new certificate is there, and its key can be read");
        }
        self.enter(state, SigningStage::Distributed)
    }

    /// R4 and R5: there is no token to try in the name of Dynamics, so time has to do; and what does not work before the
    /// switch would be blamed on it.
    async fn check(&mut self, state: SigningState) -> Result<SigningState> {
        let soak = self.site.native().map_err(obstacle)?.soak;
        if let Some(since) = state.trusted_at {
            let left = soak - since.duration_until(self.site.now());
            if left > SignedDuration::ZERO {
                tracing::info!(
                    minutes = left.as_mins() + 1,
                    "waiting until Entra ID knows the new certificate everywhere"
                );
                tokio::time::sleep(left.unsigned_abs()).await;
            }
        }
        if state.old_ends > self.site.now() {
            MailboxTest.verify(self.site).await.map_err(obstacle)?;
        }
        self.enter(state, SigningStage::Checked)
    }

    /// R6: one write. Of two certificates with one subject, the first server has the new one then, and proves it before the
    /// others follow.
    async fn switch(&mut self, state: SigningState) -> Result<SigningState> {
        if state.same_subject {
            signing_exchange::possible(self.site, &state.new, &state.old).await.map_err(obstacle)?;
            if let Some(first) = signers(self.site).map_err(obstacle)?.first() {
                signing_exchange::exchange(first, &state.new, &state.old).await.map_err(obstacle)?;
            }
        }
        let files = self.files()?;
        let new = if files.holds(&state.new) { files.current()? } else { files.new_one()? };
        signing_record::write(self.site, new.certificate()).await.map_err(obstacle)?;
        let named = signing_record::current(self.site).await.map_err(obstacle)?;
        if named.is_none_or(|named| named.sha1_hex() != state.new) {
            let what =
                "the configuration database does not name the new certificate, although it was written";
            return Err(Trouble::new(
                Class::Transient,
                what,
                "Run the same command again, it goes on from here.",
            )
            .into());
        }
        if !files.holds(&state.new) {
            files.put_in()?;
        }
        if state.same_subject {
            self.opens().await?;
        }
        self.enter(state, SigningStage::Switched)
    }

    /// R7: those that were not started yet sign with the old one, which is trusted.
    async fn restart(&mut self, state: SigningState) -> Result<SigningState> {
        for server in signers(self.site).map_err(obstacle)? {
            let started = state.same_subject
                && signing_exchange::exchange(server, &state.new, &state.old).await.map_err(obstacle)?;
            if !started {
                service_restart::one(server).await.map_err(obstacle)?;
            }
            tracing::info!(server = server.name, "its services were started anew");
        }
        self.enter(state, SigningStage::Restarted)
    }

    /// Dynamics opens mailboxes, tried a few times: not all token servers may know the new certificate yet.
    async fn opens(&self) -> Result<()> {
        const TRIES: u32 = 4;
        let mut pause = Duration::from_secs(5);
        for attempt in 1.. {
            match MailboxTest.verify(self.site).await {
                Ok(_) => break,
                Err(obstacle) if attempt < TRIES => {
                    tracing::info!(
                        attempt,
                        error = obstacle.trouble().what,
                        "Dynamics does not open mailboxes yet"
                    );
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(refused) => {
                    let trouble = refused.trouble();
                    let remedy = format!(
                        "{} Or go back, the old certificate is still trusted: hybridge certificate rotate --target native --back",
                        trouble.remedy
                    );
                    return Err(Trouble::new(trouble.class, trouble.what, remedy).into());
                }
            }
        }
        Ok(())
    }

    /// R8: by Dynamics itself. What fails can be taken back with one write.
    async fn prove(&mut self, mut state: SigningState, options: &SigningOptions) -> Result<SigningState> {
        self.opens().await?;
        let now = self.site.now();
        let kept = now.checked_add(options.keep).unwrap_or(now);
        state.keep_until = Some(kept.min(state.old_ends));
        self.enter(state, SigningStage::Proven)
    }

    /// R10.
    async fn clean(&mut self, state: &SigningState) -> Result<SigningEnded> {
        self.note("clean", Outcome::Begun, state)?;
        dynamics_key::distrust(self.site, &state.old).await.map_err(obstacle)?;
        let mut left = Vec::new();
        for server in signers(self.site).map_err(obstacle)? {
            let stays = signing_store::take_away(self.site, server, &state.old, state.aside()).await;
            left.extend(stays.map_err(obstacle)?);
        }
        let files = self.files()?;
        files.forget_new()?;
        files.forget_old()?;
        files.forget_state()?;
        self.note("clean", Outcome::Done, state)?;
        self.owned(state)?;
        Ok(SigningEnded::Done { new: state.new.clone(), old: state.old.clone(), left })
    }

    fn enter(&mut self, mut state: SigningState, reached: SigningStage) -> Result<SigningState> {
        state.stage = reached;
        self.reached(&state)?;
        Ok(state)
    }

    /// Remembered before the next thing is tried.
    fn reached(&mut self, state: &SigningState) -> Result<()> {
        self.files()?.keep_state_of(state)?;
        self.note(state.stage.words(), Outcome::Done, state)
    }

    /// What the rotation changed of the steps' work is Hybridge's own change, not somebody else's.
    fn owned(&mut self, state: &SigningState) -> Result<()> {
        const STEPS: [&str; 5] =
            ["signing-certificate", "signing-store", "key-access", "dynamics-key", "signing-record"];
        let (before, after) = (json!({ "certificate": state.old }), json!({ "certificate": state.new }));
        for step in STEPS {
            let what = (Action::Rotate, Outcome::Done);
            self.journal.add(self.site.now(), step, what, (&before, &after), "")?;
        }
        Ok(())
    }

    fn note(&mut self, what: &str, outcome: Outcome, state: &SigningState) -> Result<()> {
        let (before, after) =
            (json!({ "certificate": state.old }), json!({ "certificate": state.new, "stage": what }));
        let at = self.site.now();
        self.journal.add(at, "signing-rotation", (Action::Rotate, outcome), (&before, &after), "")?;
        Ok(())
    }
}

/// A rotation goes on with the certificate that it began with.
fn of_another(state: SigningState, options: &SigningOptions) -> Result<SigningState> {
    let other = options.certificate.as_ref().map(|new| new.certificate().sha1_hex());
    match other.filter(|other| *other != state.new) {
        None => Ok(state),
        Some(_) => Err(Trouble::new(
            Class::Denied,
            format!("a rotation to another certificate is under way: {} ({})", state.new_subject, state.new),
            "End it first, without --certificate, or go back: hybridge certificate rotate --target native --back",
        )
        .into()),
    }
}

fn base64_of(certificate: &Certificate) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(certificate.der())
}

fn old(state: &SigningState) -> Result<Certificate> {
    use base64::Engine;
    let unreadable =
        || Trouble::new(Class::Denied, "what was remembered of the old certificate can't be read", "");
    let der =
        base64::engine::general_purpose::STANDARD.decode(&state.old_certificate).map_err(|_| unreadable())?;
    Certificate::from_der(der).map_err(|_| unreadable().into())
}
