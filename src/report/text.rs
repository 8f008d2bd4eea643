//! placeholder of the report's text
