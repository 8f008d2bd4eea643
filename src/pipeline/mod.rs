//! placeholder

pub mod captures;
