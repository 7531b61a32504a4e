//! Certificates and keys as Kafka's clients keep them: PEM and PKCS12.

use openssl::error::ErrorStack;
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

/// Who we are to a broker that asks for a certificate.
pub struct Identity {
    /// The certificate's key.
    pub key: PKey<Private>,
    /// The certificate, then those that signed it.
    pub chain: Vec<X509>,
}

/// What a file begins with when it is Java's own kind of keystore.
const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// The certificates of a truststore. Its type is what it holds, as in Java, where a JKS store may be PKCS12.
pub fn trusted(content: &[u8], password: &str) -> Result<Vec<X509>, String> {
    let found = match pem(content)? {
        Some(text) => certificates(text)?,
        None => {
            let opened = open(content, password)?;
            opened.ca.into_iter().flatten().chain(opened.cert).collect()
        }
    };
    if found.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(found) }
}

/// The key and the certificates of a keystore.
pub fn identity(content: &[u8], password: &str, key_password: Option<&str>) -> Result<Identity, String> {
    match pem(content)? {
        Some(text) => pem_identity(text, text, key_password),
        None => {
            let opened = open(content, password)?;
            let (Some(key), Some(certificate)) = (opened.pkey, opened.cert) else {
                return Err("it holds no key with a certificate".to_owned());
            };
            Ok(Identity { key, chain: std::iter::once(certificate).chain(opened.ca.into_iter().flatten()).collect() })
        }
    }
}

/// A key and its certificates from PEM texts, which may be one.
pub fn pem_identity(chain: &str, key: &str, key_password: Option<&str>) -> Result<Identity, String> {
    let block = blocks(key).find(|block| block.label.ends_with("PRIVATE KEY")).ok_or("it holds no private key")?;
    // Without a password OpenSSL would ask at the terminal.
    let password = key_password.unwrap_or_default();
    let key = PKey::private_key_from_pem_passphrase(block.text().as_bytes(), password.as_bytes());
    let key = key.map_err(|error| match block.label.contains("ENCRYPTED") && key_password.is_none() {
        true => "its key is encrypted and there is no ssl.key.password".to_owned(),
        false => format!("its key cannot be read, does the password fit? {}", words(&error)),
    })?;
    let chain = certificates(chain)?;
    if chain.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(Identity { key, chain }) }
}

/// All certificates of a PEM text.
pub fn certificates(text: &str) -> Result<Vec<X509>, String> {
    let found = blocks(text).filter(|block| block.label.ends_with("CERTIFICATE"));
    found.map(|block| X509::from_pem(block.text().as_bytes()).map_err(|error| words(&error))).collect()
}

/// OpenSSL's reasons, without the places in its source.
pub fn words(error: &ErrorStack) -> String {
    let reasons: Vec<&str> = error.errors().iter().filter_map(|error| error.reason()).collect();
    if reasons.is_empty() { "OpenSSL gives no reason".to_owned() } else { reasons.join(", ") }
}

fn pem(content: &[u8]) -> Result<Option<&str>, String> {
    if content.starts_with(&JKS) {
        return Err("it is a JKS keystore, which only Java reads; convert it: keytool -importkeystore -srckeystore \
                    store.jks -destkeystore store.p12 -deststoretype PKCS12"
            .to_owned());
    }
    Ok(std::str::from_utf8(content).ok().filter(|text| text.contains("-----BEGIN ")))
}

fn open(content: &[u8], password: &str) -> Result<ParsedPkcs12_2, String> {
    if password.contains('\0') {
        return Err("its password has a NUL in it".to_owned());
    }
    let store = Pkcs12::from_der(content).map_err(|_| "it is neither PEM nor PKCS12".to_owned())?;
    store.parse2(password).map_err(|error| {
        let words = words(&error);
        match words.contains("mac verify failure") {
            true => "its password is wrong".to_owned(),
            false => format!("it cannot be opened: {words}"),
        }
    })
}

struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

impl Block<'_> {
    /// The block as PEM wants it. In a property its lines may have become blanks.
    fn text(&self) -> String {
        // Older encrypted keys have headers, which need their lines.
        if self.body.contains(':') {
            return format!("-----BEGIN {0}-----{1}-----END {0}-----\n", self.label, self.body);
        }
        let letters: Vec<char> = self.body.chars().filter(|letter| !letter.is_whitespace()).collect();
        let lines: Vec<String> = letters.chunks(64).map(|line| line.iter().collect()).collect();
        format!("-----BEGIN {0}-----\n{1}\n-----END {0}-----\n", self.label, lines.join("\n"))
    }
}

fn blocks(mut text: &str) -> impl Iterator<Item = Block<'_>> {
    std::iter::from_fn(move || {
        let (_, rest) = text.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        let (body, rest) = rest.split_once("-----END ")?;
        text = rest;
        Some(Block { label, body })
    })
}

#[cfg(test)]
mod tests {
    use openssl::asn1::Asn1Time;
    use openssl::hash::MessageDigest;
    use openssl::rsa::Rsa;
    use openssl::symm::Cipher;
    use openssl::x509::X509NameBuilder;

    use super::*;

    fn made() -> (PKey<Private>, X509) {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "test").unwrap();
        let name = name.build();
        let mut certificate = X509::builder().unwrap();
        certificate.set_subject_name(&name).unwrap();
        certificate.set_issuer_name(&name).unwrap();
        certificate.set_pubkey(&key).unwrap();
        certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        certificate.sign(&key, MessageDigest::sha256()).unwrap();
        (key, certificate.build())
    }

    #[test]
    fn stores_are_read_by_what_they_hold() {
        let (key, certificate) = made();
        let pem = [key.private_key_to_pem_pkcs8().unwrap(), certificate.to_pem().unwrap()].concat();
        let mut store = Pkcs12::builder();
        let store = store.name("me").pkey(&key).cert(&certificate).build2("secret").unwrap().to_der().unwrap();
        let one_line = String::from_utf8(pem.clone()).unwrap().replace('\n', " ");
        for content in [pem.as_slice(), store.as_slice(), one_line.as_bytes()] {
            assert_eq!(trusted(content, "secret").unwrap().len(), 1);
            let identity = identity(content, "secret", None).unwrap();
            assert!(identity.key.public_eq(&key));
            assert_eq!(identity.chain[0].to_der().unwrap(), certificate.to_der().unwrap());
        }
        assert_eq!(trusted(&store, "other").unwrap_err(), "its password is wrong");
        assert_eq!(trusted(b"hello", "").unwrap_err(), "it is neither PEM nor PKCS12");
        assert!(trusted(&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], "").unwrap_err().contains("keytool -importkeystore"));
    }

    #[test]
    fn an_encrypted_key_needs_its_password() {
        let (key, certificate) = made();
        let encrypted = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret").unwrap();
        let text = String::from_utf8([encrypted, certificate.to_pem().unwrap()].concat()).unwrap();
        let read = |password| pem_identity(&text, &text, password).map(|_| ());
        assert_eq!(read(Some("secret")), Ok(()));
        assert_eq!(read(None).unwrap_err(), "its key is encrypted and there is no ssl.key.password");
        assert!(read(Some("other")).unwrap_err().contains("does the password fit?"));
    }
}
