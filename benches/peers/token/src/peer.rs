//! jsonwebtoken, with the claims that ours has.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use unstick_token::TokenKey;

use crate::{cart::Cart, subject::Subject};

const ISSUER: &str = "unstick";
const AUDIENCE: &str = "session:cookie:__Host-id";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    v: u64,
    sid: String,
    generation: String,
    ms: [u64; 4],
    data: Data,
}

#[derive(Serialize, Deserialize)]
struct Data {
    cart: Cart,
}

pub(crate) struct Sealer {
    header: Header,
    seal: EncodingKey,
    open: DecodingKey,
    validation: Validation,
}

/// What stands before the seed of an Ed25519 key in PKCS #8.
const PKCS8: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

impl Sealer {
    pub(crate) fn new(subject: Subject) -> Result<Self, String> {
        let (algorithm, seal, open) = if subject == Subject::PeerHs256 {
            (Algorithm::HS256, EncodingKey::from_secret(&[7; 32]), DecodingKey::from_secret(&[7; 32]))
        } else {
            let public = TokenKey::ed25519([7; 32]).ok().and_then(|key| key.ed25519_public()).ok_or("no public key")?;
            let der = [&PKCS8[..], &[7; 32]].concat();
            (Algorithm::EdDSA, EncodingKey::from_ed_der(&der), DecodingKey::from_ed_der(&public))
        };
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_nbf = true;
        let header = Header { kid: Some("kid-0001".to_owned()), ..Header::new(algorithm) };
        Ok(Self { header, seal, open, validation })
    }

    pub(crate) fn seal(&self, cart: &Cart) -> Result<String, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let (seconds, millis) = (now.as_secs(), now.as_secs() * 1000);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat: seconds,
            nbf: seconds - 300,
            exp: seconds + 3600,
            v: 1,
            sid: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            generation: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            ms: [millis, millis + 3_600_000, millis + 1_209_600_000, millis],
            data: Data { cart: cart.clone() },
        };
        encode(&self.header, &claims, &self.seal).map_err(|error| error.to_string())
    }

    pub(crate) fn open(&self, token: &str) -> Result<Cart, String> {
        let found = decode::<Claims>(token, &self.open, &self.validation).map_err(|error| error.to_string())?;
        Ok(found.claims.data.cart)
    }
}
