//! The client: keeps its session's credential in a file, and prices in a cache.

use std::{error::Error, fs, io::Write, os::unix::fs::OpenOptionsExt};

use tonic::{
    Request, Response,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};
use unstick::cache::{Namespace, layers::unary::Unary};

use crate::pb::{Cart, Cents, Thing, Times, shop_client::ShopClient};

const FILE: &str = "session.txt";

async fn connect(addr: &str) -> Result<ShopClient<Channel>, Box<dyn Error>> {
    Ok(ShopClient::new(Endpoint::from_shared(format!("http://{addr}"))?.connect().await?))
}

/// Sends the credential along; `new` asks for one.
fn with_session<T>(message: T) -> Result<Request<T>, Box<dyn Error>> {
    let credential: MetadataValue<Ascii> = fs::read_to_string(FILE).unwrap_or_else(|_| "new".to_owned()).parse()?;
    let mut request = Request::new(message);
    request.metadata_mut().insert("session", credential);
    Ok(request)
}

/// Keeps the credential, if the answer brings one.
fn keep<T>(response: Response<T>) -> Result<T, Box<dyn Error>> {
    if let Some(credential) = response.metadata().get("session") {
        // Who reads this file has the session.
        let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(FILE)?;
        file.write_all(credential.to_str()?.as_bytes())?;
    }
    Ok(response.into_inner())
}

fn show(cart: &Cart) {
    println!("in the cart: {}", cart.things.join(", "));
}

pub(crate) async fn add(addr: &str, thing: &str) -> Result<(), Box<dyn Error>> {
    match connect(addr).await?.add(with_session(Thing { name: thing.to_owned() })?).await {
        Ok(response) => show(&keep(response)?),
        Err(status) => println!("{:?}: {}", status.code(), status.message()),
    }
    Ok(())
}

pub(crate) async fn watch(addr: &str, count: u32) -> Result<(), Box<dyn Error>> {
    let mut carts = keep(connect(addr).await?.watch(with_session(Times { count })?).await?)?;
    while let Some(cart) = carts.message().await? {
        show(&cart);
    }
    Ok(())
}

/// Three callers, one call: the cache is around the generated client.
pub(crate) async fn prices(addr: &str, thing: &str) -> Result<(), Box<dyn Error>> {
    let client = connect(addr).await?;
    let prices = Namespace::local("client")?.cache::<String, Unary<Cents>>("prices").build()?;
    for _ in 0..3 {
        let (mut client, name) = (client.clone(), thing.to_owned());
        let price = prices.call(thing.to_owned(), move || async move { client.price(Thing { name }).await }).await?;
        println!("{} cents", price.into_inner().cents);
    }
    println!("{} hits, {} call", prices.stats().hits, prices.stats().loads);
    Ok(())
}
