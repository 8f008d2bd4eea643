//! The key of pseudonyms.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Told apart from any other use of the same key file.
const PURPOSE: &[u8] = b"sipconsent.redact/1";

/// A key: whoever has it can recompute pseudonyms, nobody else.
#[derive(Clone)]
pub struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    /// Shows nothing of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Fewest bytes of a key: fewer can be tried out.
    pub const FEWEST_BYTES: usize = 16;

    /// The key of these bytes; `None` if they are fewer than [`Key::FEWEST_BYTES`].
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= Self::FEWEST_BYTES).then_some(Self(bytes))
    }

    /// The digest of a text of this kind. Lengths are hashed too, so that no two inputs are the same bytes.
    pub(super) fn digest(&self, kind: &str, text: &[u8]) -> [u8; 32] {
        // HMAC takes a key of any length, so this cannot fail; an empty key would be the only other way.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return [0; 32] };
        for part in [PURPOSE, kind.as_bytes(), text] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_none() {
        assert!(Key::new(vec![7; 15]).is_none());
        assert!(Key::new(vec![7; 16]).is_some());
        assert_eq!(format!("{:?}", Key::new(vec![7; 16])), "Some(Key(…))");
    }

    #[test]
    fn the_digest_is_hmac_sha_256_of_lengths_and_parts() {
        // By Python: hmac.new(b'k'*16, b''.join(len(p).to_bytes(8,'big')+p for p in (b'sipconsent.redact/1', b'user', b'alice')),
        // 'sha256').hexdigest()
        let digest = Key::new(vec![b'k'; 16]).expect("key").digest("user", b"alice");
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "595e3c36d568bde30ff3540d17256cf5c81b53054b0fc786365df525d2247215");
    }
}
