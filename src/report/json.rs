//! placeholder of the report's json
