//! Text of the evidence made inert for a reader.
