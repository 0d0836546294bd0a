//! From the order to the certificate.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hybridge_identity::{CertificateRequest, IssuedCertificate, KeyAlgorithm};
use instant_acme::{
    AuthorizationStatus, ChallengeStatus, ChallengeType, Error as Acme, Identifier, NewOrder, OrderStatus,
    RetryPolicy,
};

use super::{Account, ChallengeKind, Error, Problem, Proof, RefusedName, Responder, Step};

/// How long the authority may look for the proofs: DNS takes its time.
const CHECKING: Duration = Duration::from_mins(5);
/// How long it may take to sign.
const SIGNING: Duration = Duration::from_mins(3);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The host names, as [`super::host_names`] gives them.
    pub names: Vec<String>,
    /// The kind of key to make.
    pub key: KeyAlgorithm,
}

/// What came of it.
#[derive(Debug)]
pub struct Obtained {
    /// The certificate with its key, or why there is none.
    pub certificate: Result<IssuedCertificate, Error>,
    /// What could not be taken down again: where it stands, and why. Empty as a rule.
    pub left_behind: Vec<String>,
}

impl Account {
    /// Orders a certificate, has the names proven, and fetches it. Every proof that was put up is taken down before
    /// this returns, also after a failure and when `stop` ends first.
    pub async fn obtain(
        &self,
        order: &Order,
        responder: &dyn Responder,
        stop: impl Future<Output = ()>,
    ) -> Obtained {
        let presented = Mutex::new(Vec::new());
        let certificate = tokio::select! {
            biased;
            () = stop => Err(Error::Stopped),
            certificate = self.go(order, responder, &presented) => certificate,
        };
        let mut left_behind = Vec::new();
        for proof in presented.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match responder.withdraw(&proof).await {
                Ok(()) => self.wire.watch.step(Step::Withdrawn(proof.host.clone(), proof.place())),
                Err(why) => left_behind.push(format!("{}: {why}", proof.place())),
            }
        }
        Obtained { certificate, left_behind }
    }

    async fn go(
        &self,
        asked: &Order,
        responder: &dyn Responder,
        presented: &Mutex<Vec<Proof>>,
    ) -> Result<IssuedCertificate, Error> {
        let identifiers: Vec<Identifier> = asked.names.iter().cloned().map(Identifier::Dns).collect();
        let new = NewOrder::new(&identifiers);
        let mut order = self.wire.patiently("the order", async || self.inner.new_order(&new).await).await?;
        self.wire.watch.step(Step::Ordered(asked.names.clone()));
        self.prove(&mut order, responder, presented).await?;

        let request = CertificateRequest::new(&asked.names, asked.key)?;
        self.wire.watch.step(Step::Signing);
        let finalized =
            self.wire.patiently("the certificate", async || order.finalize_csr(request.der()).await).await;
        if let Err(error) = finalized {
            // A repeated request is refused where the first one arrived after all.
            let state =
                self.wire.patiently("the order", async || order.refresh().await.map(|state| state.status));
            if !matches!(state.await, Ok(OrderStatus::Processing | OrderStatus::Valid)) {
                return Err(error);
            }
        }
        let patience = patience(SIGNING);
        let chain =
            self.wire.patiently("the certificate", async || order.poll_certificate(&patience).await).await?;
        Ok(request.issued(&chain)?)
    }

    /// Puts all proofs up, has them looked for, and waits.
    async fn prove(
        &self,
        order: &mut instant_acme::Order,
        responder: &dyn Responder,
        presented: &Mutex<Vec<Proof>>,
    ) -> Result<(), Error> {
        let kind = responder.kind();
        let proofs = self.wire.patiently("the authorizations", async || wanted(order, kind).await).await?;
        for wanted in proofs {
            let (name, proof) = match wanted {
                Wanted::Nothing(name) => {
                    self.wire.watch.step(Step::AlreadyProven(name));
                    continue;
                }
                Wanted::NotOffered(name) => return Err(Error::NotOffered { name, kind }),
                Wanted::Proof(name, proof) => (name, proof),
            };
            if !is_token(&proof.token) {
                return Err(Error::BadToken { name });
            }
            // Noted first: also what was put up by half is taken down.
            presented.lock().unwrap_or_else(PoisonError::into_inner).push(proof.clone());
            responder.present(&proof).await.map_err(|detail| Error::Responder {
                name: name.clone(),
                kind,
                detail,
            })?;
            self.wire.watch.step(Step::Presented(name, proof.place()));
        }
        let count = presented.lock().unwrap_or_else(PoisonError::into_inner).len();
        if count == 0 {
            return self.ready(order, kind).await;
        }
        self.wire.watch.step(Step::Checking(count));
        let mut announced = BTreeSet::new();
        let told =
            self.wire.patiently("the proofs", async || announce(order, kind, &mut announced).await).await;
        if let Err(error) = told {
            return Err(self.refused(order, kind).await.unwrap_or(error));
        }
        self.ready(order, kind).await?;
        self.wire.watch.step(Step::Proven);
        Ok(())
    }

    async fn ready(&self, order: &mut instant_acme::Order, kind: ChallengeKind) -> Result<(), Error> {
        let patience = patience(CHECKING);
        let ready = self.wire.patiently("the proofs", async || order.poll_ready(&patience).await).await;
        match ready {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(status) => {
                let detail = format!("the order became {status:?} without a reason");
                let otherwise = Error::Protocol { doing: "waiting for the authority", detail };
                Err(self.refused(order, kind).await.unwrap_or(otherwise))
            }
            Err(error) => Err(self.refused(order, kind).await.unwrap_or(error)),
        }
    }

    /// The names that were refused, when any was.
    async fn refused(&self, order: &mut instant_acme::Order, kind: ChallengeKind) -> Option<Error> {
        let names =
            self.wire.patiently("the authorizations", async || failures(order, kind).await).await.ok()?;
        (!names.is_empty()).then_some(Error::Refused { names })
    }
}

enum Wanted {
    Nothing(String),
    NotOffered(String),
    Proof(String, Proof),
}

fn challenge_type(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::Dns01 => ChallengeType::Dns01,
    }
}

/// What the authority wants to see for each name.
async fn wanted(order: &mut instant_acme::Order, kind: ChallengeKind) -> Result<Vec<Wanted>, Acme> {
    let mut all = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(next) = authorizations.next().await {
        let mut authorization = next?;
        let name = authorization.identifier().to_string();
        let host = name.trim_start_matches("*.").to_owned();
        if authorization.status == AuthorizationStatus::Valid {
            all.push(Wanted::Nothing(name));
            continue;
        }
        let Some(challenge) = authorization.challenge(challenge_type(kind)) else {
            all.push(Wanted::NotOffered(name));
            continue;
        };
        let authorization = challenge.key_authorization();
        let proof = Proof {
            kind,
            host,
            token: challenge.token.clone(),
            key_authorization: authorization.as_str().to_owned(),
            record_value: authorization.dns_value(),
        };
        all.push(Wanted::Proof(name, proof));
    }
    Ok(all)
}

/// Tells the authority that the proofs stand, each once.
async fn announce(
    order: &mut instant_acme::Order,
    kind: ChallengeKind,
    announced: &mut BTreeSet<String>,
) -> Result<(), Acme> {
    let mut authorizations = order.authorizations();
    while let Some(next) = authorizations.next().await {
        let mut authorization = next?;
        if authorization.status != AuthorizationStatus::Pending || announced.contains(authorization.url()) {
            continue;
        }
        let url = authorization.url().to_owned();
        if let Some(mut challenge) = authorization.challenge(challenge_type(kind))
            && challenge.status == ChallengeStatus::Pending
        {
            challenge.set_ready().await?;
        }
        announced.insert(url);
    }
    Ok(())
}

/// The names whose proof was looked for and not found.
async fn failures(order: &mut instant_acme::Order, kind: ChallengeKind) -> Result<Vec<RefusedName>, Acme> {
    let mut refused = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(next) = authorizations.next().await {
        let mut authorization = next?;
        let state = authorization.refresh().await?;
        let name = state.identifier().to_string();
        let failed = state.challenges.iter().find(|challenge| challenge.status == ChallengeStatus::Invalid);
        let Some(challenge) = failed else { continue };
        let host = name.trim_start_matches("*.").to_owned();
        let place = Proof {
            kind,
            host,
            token: challenge.token.clone(),
            key_authorization: String::new(),
            record_value: String::new(),
        }
        .place();
        let problem = challenge.error.as_ref().map(Problem::of).unwrap_or_default();
        refused.push(RefusedName { name, kind, place, problem });
    }
    Ok(refused)
}

/// Base64url without padding, nothing else: it becomes a file's name (RFC 8555, 8.3).
fn is_token(token: &str) -> bool {
    (1..=200).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn patience(timeout: Duration) -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(300)).backoff(1.5).timeout(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_no_path() {
        assert!(is_token("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"));
        for bad in ["", "../../etc/passwd", "a/b", "a.b", "a b", "a\\b"] {
            assert!(!is_token(bad), "{bad}");
        }
    }
}
