//! placeholder: reads the TOML configuration of contract section 7.
