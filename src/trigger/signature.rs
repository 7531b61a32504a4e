//! The signature that GitHub puts into the header X-Hub-Signature-256 of what it sends: `sha256=` and the hex digits of the
//! payload's HMAC under the webhook's secret.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use super::error::Error;
use crate::step::Secret;

/// Whether the payload is signed with this secret. How long that takes tells nothing of the right signature.
pub(super) fn check(payload: &[u8], secret: &Secret, signature: &str) -> Result<(), Error> {
    let wrong = |why| Error::Signature { why };
    let digits = signature.strip_prefix("sha256=").ok_or(wrong("it does not begin with sha256="))?;
    let given = bytes(digits).ok_or(wrong("it is not 64 hex digits"))?;
    let own = hmac(payload, secret).map_err(|_| wrong("it cannot be computed here"))?;
    match own.len() == given.len() && openssl::memcmp::eq(&own, &given) {
        true => Ok(()),
        false => Err(wrong("it is of another payload or secret")),
    }
}

fn hmac(payload: &[u8], secret: &Secret) -> Result<Vec<u8>, openssl::error::ErrorStack> {
    let key = PKey::hmac(secret.expose().as_bytes())?;
    Signer::new(MessageDigest::sha256(), &key)?.sign_oneshot_to_vec(payload)
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    (0..64).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The example of GitHub's page "Validating webhook deliveries".
    const PAYLOAD: &[u8] = b"Hello, World!";
    const SECRET: &str = "It's a Secret to Everybody";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secret(text: &str) -> Secret {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Secret::read(Path::new(file.path())).unwrap()
    }

    #[test]
    fn githubs_own_example_is_right() {
        check(PAYLOAD, &secret(SECRET), SIGNATURE).unwrap();
    }

    #[test]
    fn another_payload_secret_or_form_is_wrong() {
        for (payload, key, signature) in [
            (b"Hello, World?".as_slice(), SECRET, SIGNATURE.to_owned()),
            (PAYLOAD, "another", SIGNATURE.to_owned()),
            (PAYLOAD, SECRET, SIGNATURE.replace("sha256=", "sha1=")),
            (PAYLOAD, SECRET, SIGNATURE.replace('7', "8")),
            (PAYLOAD, SECRET, "sha256=".to_owned()),
            (PAYLOAD, SECRET, format!("sha256={}", "+1".repeat(32))),
            (PAYLOAD, SECRET, format!("sha256={}", "é".repeat(32))),
        ] {
            let error = check(payload, &secret(key), &signature).unwrap_err();
            assert!(matches!(error, Error::Signature { .. }), "{error}");
        }
    }
}
