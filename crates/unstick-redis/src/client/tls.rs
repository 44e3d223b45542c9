//! TLS, with a provider that is named instead of guessed.

use std::path::Path;

use fred::types::config::{TlsConfig, TlsConnector, TlsHostMapping};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use unstick_core::ConfigError;

/// Trusts the certificates in `ca`, or Mozilla's roots when there is none. rustls panics when it has to choose between two providers that
/// other crates have compiled in; so it is given one.
pub(crate) fn config(ca: Option<&Path>) -> Result<TlsConfig, ConfigError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let wrong = |what: &str| {
                ConfigError::new(format!(
                    "the file {} named by `ca` {what}; write the path of a PEM file with certificates",
                    path.display()
                ))
            };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|_| wrong("cannot be read"))?;
            for certificate in certificates {
                roots.add(certificate.map_err(|_| wrong("is no PEM file"))?).map_err(|_| wrong("holds what is no certificate"))?;
            }
            if roots.is_empty() {
                return Err(wrong("holds no certificate"));
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|_| ConfigError::new("TLS is not available: the provider has no cipher that rustls accepts"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // every node must prove the name or address by which it was found
    Ok(TlsConfig { connector: TlsConnector::from(config), hostnames: TlsHostMapping::None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_is_named() {
        let said = config(Some(Path::new("/nowhere/ca.pem"))).unwrap_err().to_string();
        assert!(said.contains("/nowhere/ca.pem") && said.contains("cannot be read"), "{said}");
        assert!(config(Some(Path::new("Cargo.toml"))).unwrap_err().to_string().contains("holds no certificate"));
    }

    #[test]
    fn the_roots_that_are_compiled_in_do() {
        assert!(config(None).is_ok());
        // where rustls is left to choose, it notes its choice for the process, and panics when there are two to choose from
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
