//! Tests of the program as its users meet it: evidence in, report, exit status and messages out.

mod support;

/// Every case of fixtures/calls through one check.
mod calls;
