//! A web application: `cargo run -p rollcall-agent --example axum [naming server] [listen address]`, then
//! `curl -i http://127.0.0.1:8080/orders`, twice: the header `x-operation` of the second response has the id of the operation.
//!
//! The agent runs on its own thread. The handlers call it like any other value, and never await it.

use std::{env, error::Error, io, time::Duration};

use axum::{
    Json, Router,
    extract::Request,
    extract::State,
    http::HeaderValue,
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use rollcall_agent::{Agent, OperationId, SpanType};
use tokio::{net::TcpListener, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let mut arguments = env::args().skip(1);
    let server = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:10800".to_owned());
    let listen = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let agent = Agent::builder("axum-example")
        .collectors([server])
        .start()?;

    let app = Router::new()
        .route("/orders", get(|| async { Json(["apples", "pears"]) }))
        .route("/agent", get(show_agent))
        .layer(middleware::from_fn_with_state(agent.clone(), segment))
        .with_state(agent.clone());
    let listener = TcpListener::bind(listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let interrupted = async {
        if let Err(error) = signal::ctrl_c().await {
            tracing::error!(%error, "cannot listen for Ctrl-C, the server stops");
        }
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(interrupted)
        .await?;

    // Reports to the collector that this process ends on purpose.
    agent.shutdown(Duration::from_secs(1))?;
    Ok(())
}

/// Treats every request as a segment with one span. Here the path names the operation. An application whose paths contain ids uses
/// the pattern of the route instead (axum's `MatchedPath`), because the agent keeps at most 100,000 names.
async fn segment(State(agent): State<Agent>, request: Request, next: Next) -> Response {
    let name = request.uri().path().to_owned();
    let id = agent.operation(&name, SpanType::Entry);
    let mut response = next.run(request).await;
    agent.segment_finished();
    let span = span_name(&name, id);
    tracing::info!(span, status = %response.status(), "segment");
    if let Ok(span) = HeaderValue::from_str(&span) {
        response.headers_mut().insert("x-operation", span);
    }
    response
}

/// The id of an operation; its longer name while no id is known.
fn span_name(name: &str, id: Option<OperationId>) -> String {
    id.map_or_else(|| name.to_owned(), |id| format!("#{id}"))
}

async fn show_agent(State(agent): State<Agent>) -> String {
    format!("{:#?}", agent.status())
}
