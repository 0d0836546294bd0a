//! The order of things, against a web server that is a closure. What is inside the messages is held against a real
//! domain in `hybridge/tests/windows_sign_in.rs`.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Method, header};
use hybridge_net::{
    Connection, Connector, Happened, Messenger, MessengerError, Request, Response, TransportError,
    TransportFault,
};
use secrecy::SecretString;

use super::*;
use crate::testing::{answer, clock};

const NOT_A_USER: &str = r#"{"error":{"code":"0x80044302"}}"#;

/// What the web server does and saw.
#[derive(Debug, Default)]
struct Iis {
    offers: Vec<&'static str>,
    accepts: bool,
    /// It ends connections that nothing is sent over; the client learns that when it sends.
    ends_idle: bool,
    /// It answers signed in requests with a 401 of its own.
    strange_to_organization: bool,
    connections: usize,
    proofs: usize,
    served: Vec<String>,
    unsigned: usize,
}

#[derive(Debug, Clone, Default)]
struct Server(Arc<Mutex<Iis>>);

#[derive(Debug)]
struct Line {
    server: Server,
    asked: bool,
    signed_in: bool,
    used: bool,
}

#[async_trait]
impl Connector for Server {
    async fn connect(&self, _: &Request) -> Result<Box<dyn Connection>, TransportError> {
        self.0.lock().unwrap().connections += 1;
        Ok(Box::new(Line { server: self.clone(), asked: false, signed_in: false, used: false }))
    }
}

#[async_trait]
impl Connection for Line {
    fn is_open(&self) -> bool {
        true
    }

    async fn send(&mut self, request: Request) -> Result<Response, TransportError> {
        // Lets all that wait for a place come here at the same time.
        tokio::task::yield_now().await;
        let mut iis = self.server.0.lock().unwrap();
        if self.used && iis.ends_idle {
            let fault = TransportFault::Closed;
            return Err(TransportError::about(&request, fault, Happened::No, String::new()));
        }
        let token = request.headers.get(header::AUTHORIZATION).map(|value| {
            let (_, token) = value.to_str().unwrap().split_once(' ').unwrap();
            BASE64_STANDARD.decode(token).unwrap()
        });
        let kind = token.as_ref().and_then(|token| token.get(8).copied());
        let mut challenge = answer(401, "<html>401</html>");
        for scheme in &iis.offers {
            challenge = challenge.with("www-authenticate", scheme);
        }
        match kind {
            Some(1) => {
                self.asked = true;
                let token = BASE64_STANDARD.encode(ntlm_challenge());
                return Ok(answer(401, "").with("www-authenticate", &format!("NTLM {token}")).0);
            }
            Some(3) if self.asked => {
                iis.proofs += 1;
                self.signed_in = iis.accepts;
            }
            _ => {}
        }
        if !self.signed_in {
            iis.unsigned += usize::from(request.method == Method::POST);
            return Ok(challenge.0);
        }
        if request.method == Method::POST {
            self.used = true;
            iis.served.push(String::from_utf8(request.body.to_vec()).unwrap());
        }
        if iis.strange_to_organization {
            let refusal =
                answer(401, NOT_A_USER).with("content-type", "application/json; odata.metadata=minimal");
            return Ok(refusal.with("www-authenticate", "NTLM").0);
        }
        Ok(answer(200, "{}").0)
    }
}

/// A server's message (MS-NLMP 2.2.1.2): flags, a challenge, the domain's name and the end of the list.
fn ntlm_challenge() -> Vec<u8> {
    let domain: Vec<u8> = "CONTOSO".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let information = [&[2, 0, 14, 0][..], &domain, &[1, 0, 14, 0], &domain, &[0; 4]].concat();
    let place = |length: usize, at: u32| {
        let length = u16::try_from(length).unwrap().to_le_bytes();
        [&length[..], &length, &at.to_le_bytes()].concat()
    };
    [
        &b"NTLMSSP\0\x02\0\0\0"[..],
        &place(14, 56),
        &0xA289_8205_u32.to_le_bytes(),
        b"12345678",
        &[0; 8],
        &place(information.len(), 70),
        &[6, 1, 0, 0, 0, 0, 0, 15],
        &domain,
        &information,
    ]
    .concat()
}

/// No domain controller answers.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Messenger for Nobody {
    async fn ask(&self, host: &str, port: u16, _: &[u8]) -> Result<Vec<u8>, MessengerError> {
        let server = format!("{host}:{port}");
        Err(MessengerError { server, fault: TransportFault::Connect, detail: "refused".to_owned() })
    }
}

fn access(server: &Server) -> WindowsAccess {
    WindowsAccess::new(parts(server)).unwrap()
}

fn parts(server: &Server) -> WindowsParts {
    let user = WindowsUser::new(r"CONTOSO\svc", Some("contoso.test")).unwrap();
    WindowsParts {
        trial: Trial::WhoAmI,
        organization: "https://crm.contoso.test/Contoso".parse().unwrap(),
        sign_in: WindowsSignIn {
            user,
            secret: WindowsSecret::Password(SecretString::from("the-password")),
            service: None,
            kdc: Some("127.0.0.1:9".to_owned()),
        },
        machine: "HERE".to_owned(),
        connector: Arc::new(server.clone()),
        messenger: Arc::new(Nobody),
        clock: clock(),
    }
}

fn server(offers: &[&'static str], accepts: bool) -> Server {
    Server(Arc::new(Mutex::new(Iis { offers: offers.to_vec(), accepts, ..Iis::default() })))
}

fn post(body: &str) -> Request {
    let url = "https://crm.contoso.test/Contoso/api/data/v9.1/emails".parse().unwrap();
    Request::new(Method::POST, url).body("application/json", body.to_owned())
}

fn fault(error: &SignedError) -> WindowsFault {
    match error {
        SignedError::SignIn(Error::Windows(refusal)) => refusal.fault(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn one_connection_is_signed_in_once_and_serves_many_requests() {
    let server = server(&["Negotiate", "NTLM"], true);
    let access = access(&server);
    for body in ["one", "two", "three"] {
        assert!(access.send(post(body)).await.unwrap().status.is_success());
    }
    let signed_in = access.sign_in().await.unwrap();
    assert_eq!(signed_in.protocol, WindowsProtocol::Ntlm);
    assert_eq!(signed_in.instead_of_kerberos.unwrap().fault(), WindowsFault::KdcUnreachable);
    assert_eq!(access.service(), "HTTP/crm.contoso.test");
    let iis = server.0.lock().unwrap();
    assert_eq!((iis.served.as_slice(), iis.proofs), (&["one", "two", "three"].map(str::to_owned)[..], 1));
    assert_eq!(iis.unsigned, 0, "a body was sent before the connection was signed in");
}

#[tokio::test(start_paused = true)]
async fn a_refused_password_is_tried_once_however_many_wait_and_not_again_for_a_while() {
    let server = server(&["NTLM"], false);
    let access = access(&server);
    let all = futures_of(&access, 8).await;
    for outcome in all {
        assert_eq!(fault(&outcome.unwrap_err()), WindowsFault::NtlmRefused);
    }
    assert_eq!(server.0.lock().unwrap().proofs, 1);
    tokio::time::advance(std::time::Duration::from_mins(14)).await;
    assert_eq!(fault(&access.send(post("x")).await.unwrap_err()), WindowsFault::NtlmRefused);
    assert_eq!(server.0.lock().unwrap().proofs, 1);
    tokio::time::advance(std::time::Duration::from_mins(2)).await;
    server.0.lock().unwrap().accepts = true;
    access.send(post("x")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_changed_meanwhile_does_not_lock_the_account() {
    let server = server(&["NTLM"], true);
    let access = access(&server);
    access.send(post("before")).await.unwrap();
    server.0.lock().unwrap().accepts = false;
    tokio::time::advance(std::time::Duration::from_mins(3)).await;
    for outcome in futures_of(&access, 8).await {
        assert_eq!(fault(&outcome.unwrap_err()), WindowsFault::NtlmRefused);
    }
    let iis = server.0.lock().unwrap();
    assert!(iis.proofs <= 3, "{} wrong passwords", iis.proofs - 1);
    assert_eq!(iis.served, ["before"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_server_has_ended_is_replaced_and_signed_in_again() {
    let server = server(&["NTLM"], true);
    let access = access(&server);
    access.send(post("one")).await.unwrap();
    server.0.lock().unwrap().ends_idle = true;
    access.send(post("two")).await.unwrap();
    let iis = server.0.lock().unwrap();
    assert_eq!(
        (iis.served.as_slice(), iis.proofs, iis.unsigned),
        (&["one", "two"].map(str::to_owned)[..], 2, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_organization_itself_says_is_an_answer() {
    let server = server(&["NTLM"], true);
    server.0.lock().unwrap().strange_to_organization = true;
    let answer = access(&server).send(post("x")).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (401, NOT_A_USER.as_bytes()));
    assert_eq!(server.0.lock().unwrap().served.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_organization_with_claims_is_told_from_one_without() {
    let server = server(&["Bearer authorization_uri=https://sts.contoso.test/adfs/oauth2/authorize"], true);
    let error = access(&server).sign_in().await.unwrap_err();
    assert!(matches!(error, Error::NoWindowsAuthentication { .. }), "{error:?}");
    assert!(error.remedy().contains("sign_in = \"adfs\""), "{}", error.remedy());
}

#[tokio::test(start_paused = true)]
async fn nothing_of_it_prints_the_password() {
    let server = server(&["NTLM"], false);
    let parts = parts(&server);
    let access = WindowsAccess::new(parts.clone()).unwrap();
    let error = access.sign_in().await.unwrap_err();
    let shown = format!("{parts:?} {access:?} {access:#?} {error:?} {error} {}", error.remedy());
    assert!(shown.contains("svc") && !shown.contains("the-password"), "{shown}");
}

async fn futures_of(access: &WindowsAccess, number: usize) -> Vec<Result<Response, SignedError>> {
    let mut set = Vec::new();
    for _ in 0..number {
        set.push(Box::pin(access.send(post("x"))));
    }
    let mut outcomes = Vec::new();
    std::future::poll_fn(|context| {
        set.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(outcome) => {
                outcomes.push(outcome);
                false
            }
            std::task::Poll::Pending => true,
        });
        if set.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outcomes
}
