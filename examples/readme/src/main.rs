use axum::{Router, routing::post};
use unstick::session::{Session, SessionError, SessionLayer};
use unstick::{Key, KeyRing};

async fn add(session: Session) -> Result<String, SessionError> {
    let count = session.update("cart", |count: Option<u32>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(format!("{} in the cart\n", count.unwrap_or(0)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = KeyRing::new(Key::from_hex(&std::env::var("SESSION_KEY")?)?); // 32 bytes, the same on every node
    let store = unstick::store::from_url(&std::env::var("SESSIONS")?).await?; // the only line that knows of Redis
    let sessions = SessionLayer::new(store, keys).build()?;
    let app = Router::new().route("/cart", post(add)).layer(sessions);
    let listener = tokio::net::TcpListener::bind(std::env::var("ADDR")?).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
