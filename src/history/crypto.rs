//! What object stores want signed, signed by the OpenSSL that the programs have anyway.

use object_store::Error;
use object_store::client::{CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sha::Sha256;

/// OpenSSL, for SHA-256, HMAC and RSA.
#[derive(Debug)]
pub(super) struct OpenSsl;

impl CryptoProvider for OpenSsl {
    fn digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>, Error> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Digest { state: Sha256::new(), out: [0; 32] })),
            other => Err(unknown(&other)),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> Result<Box<dyn HmacContext>, Error> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let key = PKey::hmac(secret).map_err(failed)?;
                Ok(Box::new(Hmac { key, text: Vec::new(), out: Vec::new() }))
            }
            other => Err(unknown(&other)),
        }
    }

    fn sign(&self, algorithm: SigningAlgorithm, pem: &[u8]) -> Result<Box<dyn Signer>, Error> {
        match algorithm {
            SigningAlgorithm::RS256 => Ok(Box::new(Rs256(PKey::private_key_from_pem(pem).map_err(failed)?))),
            other => Err(unknown(&other)),
        }
    }
}

struct Digest {
    state: Sha256,
    out: [u8; 32],
}

impl DigestContext for Digest {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> Result<&[u8], Error> {
        self.out = std::mem::take(&mut self.state).finish();
        Ok(&self.out)
    }
}

/// What is signed is a few lines, so it is kept until it is complete.
struct Hmac {
    key: PKey<Private>,
    text: Vec<u8>,
    out: Vec<u8>,
}

impl HmacContext for Hmac {
    fn update(&mut self, data: &[u8]) {
        self.text.extend_from_slice(data);
    }

    fn finish(&mut self) -> Result<&[u8], Error> {
        self.out = sign(&self.key, &self.text)?;
        Ok(&self.out)
    }
}

/// RSASSA-PKCS1-v1_5, which OpenSSL takes for a key of RSA.
struct Rs256(PKey<Private>);

impl Signer for Rs256 {
    fn sign(&self, string_to_sign: &[u8]) -> Result<Vec<u8>, Error> {
        sign(&self.0, string_to_sign)
    }
}

fn sign(key: &PKey<Private>, text: &[u8]) -> Result<Vec<u8>, Error> {
    let signed = openssl::sign::Signer::new(MessageDigest::sha256(), key);
    signed.and_then(|mut signer| signer.sign_oneshot_to_vec(text)).map_err(failed)
}

fn failed(error: ErrorStack) -> Error {
    Error::Generic { store: "OpenSSL", source: error.into() }
}

fn unknown(algorithm: &dyn std::fmt::Debug) -> Error {
    Error::NotSupported { source: format!("{algorithm:?} is not known here").into() }
}

#[cfg(test)]
mod tests {
    use openssl::rsa::Rsa;
    use openssl::sign::Verifier;

    use super::*;
    use crate::step::hex;

    /// The example of FIPS 180-4, and test case 2 of RFC 4231.
    #[test]
    fn digests_and_codes_are_those_of_the_standards() {
        let mut digest = OpenSsl.digest(DigestAlgorithm::Sha256).unwrap();
        digest.update(b"a");
        digest.update(b"bc");
        assert_eq!(hex(digest.finish().unwrap()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut code = OpenSsl.hmac(DigestAlgorithm::Sha256, b"Jefe").unwrap();
        code.update(b"what do ya want ");
        code.update(b"for nothing?");
        assert_eq!(hex(code.finish().unwrap()), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_signature_is_one_that_others_can_verify() {
        let rsa = Rsa::generate(2048).unwrap();
        for pem in [
            rsa.private_key_to_pem().unwrap(),
            PKey::from_rsa(rsa.clone()).unwrap().private_key_to_pem_pkcs8().unwrap(),
        ] {
            let signature = OpenSsl.sign(SigningAlgorithm::RS256, &pem).unwrap().sign(b"header.claims").unwrap();
            let public = PKey::from_rsa(rsa.clone()).unwrap();
            let mut verifier = Verifier::new(MessageDigest::sha256(), &public).unwrap();
            assert!(verifier.verify_oneshot(&signature, b"header.claims").unwrap());
        }
        assert!(OpenSsl.sign(SigningAlgorithm::RS256, b"no key").is_err());
    }
}
