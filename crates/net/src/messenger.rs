use std::{fmt, io, time::Duration};

use async_trait::async_trait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::transport::TransportFault;

/// Windows gives up on a domain controller after five seconds and asks the next one.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the whole exchange may take.
const ANSWER: Duration = Duration::from_secs(15);
/// The longest answer that is read, in bytes.
const LONGEST: u32 = 1 << 20;

/// Asks servers that speak in single messages with their length in front, as Kerberos does over TCP
/// (RFC 4120, 7.2.2).
#[async_trait]
pub trait Messenger: Send + Sync + fmt::Debug {
    /// Sends one message and reads one. Neither holds the four bytes of its length.
    async fn ask(&self, host: &str, port: u16, message: &[u8]) -> Result<Vec<u8>, MessengerError>;
}

/// A server gave no (whole) answer to a message.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{server}: {fault} ({detail})")]
pub struct MessengerError {
    /// Host and port asked.
    pub server: String,
    /// What went wrong.
    pub fault: TransportFault,
    /// The lower layers' own words.
    pub detail: String,
}

/// TCP, with a connection for each message. All addresses of the host are tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpMessenger;

#[async_trait]
impl Messenger for TcpMessenger {
    async fn ask(&self, host: &str, port: u16, message: &[u8]) -> Result<Vec<u8>, MessengerError> {
        let server = format!("{host}:{port}");
        let failed =
            |fault: TransportFault, detail: String| MessengerError { server: server.clone(), fault, detail };
        let mut stream =
            connect(host, port).await.map_err(|error| failed(TransportFault::Connect, error.to_string()))?;
        match timeout(ANSWER, exchange(&mut stream, message)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                Err(failed(TransportFault::TooLarge, error.to_string()))
            }
            Ok(Err(error)) => Err(failed(TransportFault::Closed, error.to_string())),
            Err(_) => Err(failed(TransportFault::Timeout, format!("after {} seconds", ANSWER.as_secs()))),
        }
    }
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(last)
}

async fn exchange(stream: &mut TcpStream, message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(message.len()).map_err(|_| too_long())?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let length = stream.read_u32().await?;
    if length > LONGEST {
        return Err(too_long());
    }
    let mut answer = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut answer).await?;
    if answer.len() as u64 == u64::from(length) {
        Ok(answer)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the message is too long")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_message_and_its_answer_have_their_length_in_front() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 9];
            stream.read_exact(&mut asked).await.unwrap();
            stream.write_all(b"\0\0\0\x04four").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"\0\0\0\x04fou").await.unwrap();
            asked
        });
        assert_eq!(TcpMessenger.ask("127.0.0.1", port, b"hello").await.unwrap(), b"four");
        let cut = TcpMessenger.ask("127.0.0.1", port, b"hello").await.unwrap_err();
        assert_eq!(cut.fault, TransportFault::Closed, "{cut}");
        assert_eq!(&server.await.unwrap(), b"\0\0\0\x05hello");
        let nobody = TcpMessenger.ask("127.0.0.1", port, b"hello").await.unwrap_err();
        assert_eq!(nobody.fault, TransportFault::Connect, "{nobody}");
    }
}
