use std::{fs, path::PathBuf};

use crate::servers::{
    StartError,
    dir::Dir,
    process::{Spec, run},
    program,
};

/// A certificate for loopback, and that of the authority that signed it. Two of them: clients refuse an authority's own as a server's.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    pub(crate) fn make(dir: &Dir) -> Result<Self, StartError> {
        let openssl = |line: &str| {
            let (program, args) = (program::need("openssl")?, line.split(' ').map(Into::into).collect());
            run(&Spec { program, args, account: None, env: Vec::new(), dir: dir.path().to_owned(), terminate: "TERM" }, "openssl")
        };
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(&format!("req -x509 {new_key} -keyout ca.key -out ca.crt -days 30 -subj /CN=unstick-tests"))?;
        openssl(&format!("req -new {new_key} -keyout server.key -out server.csr -subj /CN=localhost"))?;
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
        fs::write(dir.path().join("names"), names).map_err(StartError::io("writing the names of a certificate"))?;
        openssl("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt")?;
        let [ca, certificate, key] = ["ca.crt", "server.crt", "server.key"].map(|name| dir.path().join(name));
        Ok(Self { ca, certificate, key })
    }
}
