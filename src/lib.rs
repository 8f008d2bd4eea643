//! sipconsent: placeholder header.

pub mod access_log;
pub mod call;
pub mod capture;
pub mod cli;
pub mod error;
pub mod evidence;
pub mod facts;
pub mod http;
pub mod net;
pub mod pipeline;
pub mod report;
pub mod rtp;
mod scan;
pub mod sdp;
pub mod settings;
pub mod sip;
pub mod verdict;

pub use error::Error;
