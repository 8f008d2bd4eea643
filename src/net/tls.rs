//! The server name that a TLS client asks for, all that can be read of an encrypted connection.
//!
//! Follows RFC 8446 §4.1.2 and §5.1 for the ClientHello in its records, RFC 6066 §3 for the server name. Called by
//! `pipeline` with the first bytes that a client sent; nothing else of TLS is read.
//!
//! # Incomplete support
//!
//! A name in an encrypted ClientHello is not there; what stands in its place is the name of whoever forwards it.

/// Bytes that a ClientHello may have to be looked into; longer ones carry dozens of keys.
pub const MAX_HELLO_BYTES: usize = 16 << 10;

/// Bytes of a host name (RFC 1035 §2.3.4).
const MAX_NAME_BYTES: usize = 255;

/// What the first bytes of a TLS connection show of its ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// More bytes are needed to tell.
    Cut,
    /// None stands here, or it is too long.
    None,
    /// It is whole up to the name, or whole and without one.
    Read,
}

/// Reads the ClientHello that starts at the first of `bytes`; its server name is added to `name`.
pub fn server_name(bytes: &[u8], name: &mut Vec<u8>) -> Hello {
    let mut hello = Vec::new();
    let mut rest = bytes;
    // A ClientHello may be cut into several records.
    while let Some(([22, 3, _, high, low], behind)) = rest.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        hello.extend_from_slice(behind.get(..length).unwrap_or(behind));
        rest = behind.get(length..).unwrap_or_default();
    }
    if hello.first().is_some_and(|kind| *kind != 1) || !rest.is_empty() && rest.first() != Some(&22) {
        return Hello::None;
    }
    match found(&hello) {
        Some(Some(found)) if found.len() <= MAX_NAME_BYTES => {
            name.extend_from_slice(found);
            Hello::Read
        }
        Some(_) => Hello::Read,
        None if bytes.len() > MAX_HELLO_BYTES => Hello::None,
        None => Hello::Cut,
    }
}

/// The server name in a handshake message; `None` while bytes are missing to tell, `Some(None)` where it has none.
fn found(hello: &[u8]) -> Option<Option<&[u8]>> {
    let mut at = Reading(hello);
    let (_, whole) = (at.take(1)?, at.number(3)?);
    let is_whole = hello.len() >= 4 + whole;
    // Version and random, session, cipher suites, compression methods.
    at.take(34)?;
    let session = at.number(1)?;
    at.take(session)?;
    let suites = at.number(2)?;
    at.take(suites)?;
    let methods = at.number(1)?;
    at.take(methods)?;
    let Some(_) = at.number(2) else { return is_whole.then_some(None) };
    loop {
        let (Some(kind), Some(length)) = (at.number(2), at.number(2)) else { return is_whole.then_some(None) };
        let extension = at.take(length)?;
        if kind == 0 {
            let mut list = Reading(extension);
            let name = list.take(2).and_then(|_| (list.number(1)? == 0).then_some(())).and_then(|()| {
                let length = list.number(2)?;
                list.take(length)
            });
            return Some(name);
        }
    }
}

/// Bytes that are taken from the front.
struct Reading<'a>(&'a [u8]);

impl<'a> Reading<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::client_hello;
    use super::*;

    fn read(bytes: &[u8]) -> (Hello, String) {
        let mut name = Vec::new();
        let hello = server_name(bytes, &mut name);
        (hello, name.escape_ascii().to_string())
    }

    #[test]
    fn the_name_is_found_and_a_hello_without_one_has_none() {
        assert_eq!(read(&client_hello(Some("a.byoc.example"))), (Hello::Read, "a.byoc.example".to_owned()));
        assert_eq!(read(&client_hello(None)), (Hello::Read, String::new()));
    }

    #[test]
    fn a_cut_hello_says_nothing_and_asks_for_more() {
        let whole = client_hello(Some("a.byoc.example"));
        let name = memchr::memmem::find(&whole, b"a.byoc").expect("the name") + "a.byoc.example".len();
        for end in 0..name {
            assert_eq!(read(&whole[..end]), (Hello::Cut, String::new()), "{end}");
        }
        assert_eq!(read(&whole[..name]).0, Hello::Read);
        assert_eq!(read(&[&whole[..60], &[0; MAX_HELLO_BYTES]].concat()).0, Hello::None);
    }

    #[test]
    fn a_hello_in_several_records_is_one() {
        let whole = client_hello(Some("a.byoc.example"));
        let message = &whole[5..];
        for at in 1..message.len() {
            let record = |part: &[u8]| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
            let records = [record(&message[..at]), record(&message[at..])].concat();
            assert_eq!(read(&records), (Hello::Read, "a.byoc.example".to_owned()), "{at}");
        }
    }

    #[test]
    fn what_is_no_hello_has_no_name() {
        for bytes in [&b"\x17\x03\x03\x00\x02ab"[..], b"\x16\x03\x03\x00\x04\x02\0\0\0", b"GET / HTTP/1.1"] {
            assert_eq!(read(bytes), (Hello::None, String::new()));
        }
        // Lengths that lie, every byte in turn.
        let whole = client_hello(Some("a.byoc.example"));
        for at in 0..whole.len() {
            for lie in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = lie;
                assert!(read(&bytes).1.len() <= 4 * bytes.len());
            }
        }
    }
}
