//! The API side's words (RFC 9110): methods and status codes. Never mixed with SIP's, which look alike.

/// An HTTP request method (RFC 9110 §9), as logged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(pub Box<str>);

impl Method {
    /// Whether it is GET, the only method that hands out a recording.
    #[must_use]
    pub fn is_get(&self) -> bool {
        &*self.0 == "GET"
    }
}

/// An HTTP status code (RFC 9110 §15), 100 to 599 in practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(pub u16);

impl StatusCode {
    /// 403: the request was understood and refused (RFC 9110 §15.5.4).
    #[must_use]
    pub const fn is_refused(self) -> bool {
        self.0 == 403
    }

    /// Any 2xx.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }
}
