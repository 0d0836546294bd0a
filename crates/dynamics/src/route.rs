use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
};

use hybridge_odata::Error;

/// The road that the email messages take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The Web API's actions and functions.
    WebApi,
    /// `OrganizationRequest`s to the SOAP organization service.
    Soap,
}

impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::WebApi => "web-api",
            Self::Soap => "soap",
        })
    }
}

impl FromStr for Route {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "web-api" => Ok(Self::WebApi),
            "soap" => Ok(Self::Soap),
            _ => Err(()),
        }
    }
}

/// What is known of the organization's email messages.
#[derive(Debug)]
pub(crate) struct Routes {
    route: AtomicU8,
    thread_refused: AtomicBool,
}

impl Routes {
    pub(crate) fn knowing(route: Option<Route>) -> Self {
        let code = match route {
            None => 0,
            Some(Route::WebApi) => 1,
            Some(Route::Soap) => 2,
        };
        Self { route: AtomicU8::new(code), thread_refused: AtomicBool::new(false) }
    }

    /// Whether threading facts are sent along in `ExtraProperties`, as far as is known.
    pub(crate) fn thread_is_taken(&self) -> bool {
        !self.thread_refused.load(Ordering::Relaxed)
    }

    pub(crate) fn refuse_thread(&self) {
        self.thread_refused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn known(&self) -> Option<Route> {
        match self.route.load(Ordering::Relaxed) {
            1 => Some(Route::WebApi),
            2 => Some(Route::Soap),
            _ => None,
        }
    }

    pub(crate) fn learn(&self, route: Route) {
        let code = if route == Route::WebApi { 1 } else { 2 };
        self.route.store(code, Ordering::Relaxed);
    }
}

/// Whether a failure says that the Web API has no such function or action. Nothing was done then.
pub(crate) fn lacks_operation(error: &Error) -> bool {
    error.failure().is_some_and(|failure| {
        let status = failure.status.as_u16();
        (status == 404 || status == 501)
            && (failure.has_code("0x80060888")
                || failure.message.contains("Resource not found for the segment")
                || status == 501)
    })
}
