//! placeholder of the report's write
