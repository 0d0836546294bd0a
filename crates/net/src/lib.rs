//! The outside world, replaceable: HTTP, the clock and chance.
//!
//! Everything above this crate reaches a server only through a [`Transport`], reads the time only
//! from a [`Clock`] and takes random values only from a [`Chance`]. The program uses HTTPS, the
//! machine's clock and the system's randomness; the simulation replaces all three, and nothing above
//! can tell the difference. Where it matters which connection a request goes over, a [`Connector`] takes
//! the place of the transport; what is not HTTP (Kerberos) goes through a [`Messenger`].

mod chance;
mod clock;
mod connection;
mod https;
mod messenger;
mod peer;
mod transport;

pub use chance::Chance;
pub use clock::{Clock, SystemClock, TokioClock};
pub use connection::{Connection, Connector, ConnectorError, TcpConnector};
pub use https::{Https, HttpsError};
pub use messenger::{Messenger, MessengerError, TcpMessenger};
pub use peer::peer_certificate;
pub use transport::{Happened, Request, Response, Transport, TransportError, TransportFault};

/// The HTTP vocabulary used in [`Request`] and [`Response`].
pub use http;
