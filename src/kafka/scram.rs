//! SCRAM, the client's half (RFC 5802, RFC 7677): proves to know a password without sending it, and has the broker prove
//! that it knows it too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// What goes before the messages when no channel is bound: `n,,`, and its Base64 form.
const NO_BINDING: &str = "n,,";
const NO_BINDING_BASE64: &str = "biws";

/// The fewest iterations a broker may ask for, as in Java clients: fewer give the password away.
const FEWEST_ITERATIONS: usize = 4096;
/// The most iterations we go along with: they cost time.
const MOST_ITERATIONS: usize = 10_000_000;

/// The digest that SCRAM is used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Digest {
    fn message(self) -> MessageDigest {
        match self {
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }
}

/// A conversation that has begun.
pub struct Scram {
    digest: Digest,
    nonce: String,
    first: String,
}

impl Scram {
    /// Begins a conversation. The nonce is any printable text without commas that is not used again; a delegation token
    /// is used like a user's name.
    pub fn new(digest: Digest, username: &str, token: bool, nonce: String) -> Self {
        let username = username.replace('=', "=3D").replace(',', "=2C");
        let token = if token { ",tokenauth=true" } else { "" };
        let first = format!("n={username},r={nonce}{token}");
        Self { digest, nonce, first }
    }

    /// The first message.
    pub fn first(&self) -> String {
        format!("{NO_BINDING}{}", self.first)
    }

    /// Answers the broker's first message: the second message, and the last one that the broker must then send.
    pub fn second(&self, server_first: &str, password: &str) -> Result<(String, String), String> {
        let mut parts = server_first.split(',');
        let mut part = |name| parts.next().and_then(|part| part.strip_prefix(name));
        let (Some(nonce), Some(salt), Some(iterations)) = (part("r="), part("s="), part("i=")) else {
            return Err("the broker's SCRAM message makes no sense".to_owned());
        };
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err("the broker's SCRAM nonce does not begin with ours".to_owned());
        }
        let salt = BASE64.decode(salt).map_err(|_| "the broker's SCRAM salt is not Base64".to_owned())?;
        let iterations = iterations.parse().ok();
        let Some(iterations) = iterations.filter(|count| (FEWEST_ITERATIONS..=MOST_ITERATIONS).contains(count)) else {
            return Err(format!(
                "the broker asks for a number of SCRAM iterations that is not at least {FEWEST_ITERATIONS}"
            ));
        };
        let bare = format!("c={NO_BINDING_BASE64},r={nonce}");
        let whole = format!("{},{server_first},{bare}", self.first);
        let (proof, signature) = self.sign(password, &salt, iterations, &whole).map_err(|error| error.to_string())?;
        Ok((format!("{bare},p={}", BASE64.encode(proof)), format!("v={}", BASE64.encode(signature))))
    }

    /// Our proof and the broker's signature of the messages (RFC 5802, section 3).
    fn sign(
        &self,
        password: &str,
        salt: &[u8],
        iterations: usize,
        messages: &str,
    ) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
        let digest = self.digest.message();
        let mut salted = vec![0; digest.size()];
        openssl::pkcs5::pbkdf2_hmac(password.as_bytes(), salt, iterations, digest, &mut salted)?;
        let client_key = hmac(digest, &salted, b"Client Key")?;
        let stored_key = openssl::hash::hash(digest, &client_key)?;
        let client_signature = hmac(digest, &stored_key, messages.as_bytes())?;
        let proof = client_key.iter().zip(&client_signature).map(|(key, signature)| key ^ signature).collect();
        let server_key = hmac(digest, &salted, b"Server Key")?;
        Ok((proof, hmac(digest, &server_key, messages.as_bytes())?))
    }
}

fn hmac(digest: MessageDigest, key: &[u8], message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(key)?;
    Signer::new(digest, &key)?.sign_oneshot_to_vec(message)
}

/// Checks the broker's last message: it must know the password, too.
pub fn check(server_final: &str, expected: &str) -> Result<(), String> {
    if let Some(words) = server_final.strip_prefix("e=") {
        return Err(words.to_owned());
    }
    let proof = server_final.split(',').next().unwrap_or_default();
    match proof.len() == expected.len() && openssl::memcmp::eq(proof.as_bytes(), expected.as_bytes()) {
        true => Ok(()),
        false => Err("the broker does not know the password itself: is it the right one?".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn conversation() -> Scram {
        Scram::new(Digest::Sha256, "user", false, "rOprNGfwEbeRWgbNEkqO".to_owned())
    }

    #[test]
    fn the_conversation_is_the_one_of_rfc_7677() {
        let scram = conversation();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (second, last) = scram.second(SERVER_FIRST, "pencil").unwrap();
        assert_eq!(
            second,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(last, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", &last), Ok(()));
    }

    #[test]
    fn a_name_is_escaped_and_a_delegation_token_is_said_to_be_one() {
        let scram = Scram::new(Digest::Sha512, "a=b,c", true, "x".to_owned());
        assert_eq!(scram.first(), "n,,n=a=3Db=2Cc,r=x,tokenauth=true");
    }

    #[test]
    fn a_broker_that_does_not_prove_itself_is_refused() {
        let refused = |first: &str| conversation().second(first, "pencil").unwrap_err();
        assert!(refused("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").contains("nonce"));
        assert!(refused("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").contains("nonce"));
        assert!(refused(&SERVER_FIRST.replace("4096", "4095")).contains("iterations"));
        assert!(refused(&SERVER_FIRST.replace("W22", "***")).contains("Base64"));
        assert!(refused("nonsense").contains("no sense"));
        assert!(check("v=AAAA", "v=BBBB").unwrap_err().contains("does not know the password"));
        assert_eq!(check("e=invalid-proof", "v=BBBB"), Err("invalid-proof".to_owned()));
    }
}
