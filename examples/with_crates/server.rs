//! A service that runs a job for each request: `cargo run -p with-crates --example server -- 127.0.0.1:8080`.
//!
//! ```sh
//! curl http://127.0.0.1:8080/primes/100000                 # 200, the number of primes below it
//! curl http://127.0.0.1:8080/primes/18446744073709551615   # 504, killed after two seconds
//! curl http://127.0.0.1:8080/load                          # 200, how many requests run or wait
//! ```
//!
//! Two jobs run at a time, two more wait, and any other request is answered with 503. The processes of the next two jobs are made
//! ahead, so that a request doesn't wait for one. The job of a client that goes away is
//! killed. At SIGTERM, SIGHUP or Ctrl-C the service accepts nothing more, lets the running jobs finish, answers every
//! request that it has, and exits; at the second one it kills the jobs first.

#![expect(clippy::print_stdout, reason = "an example prints its address")]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::RETRY_AFTER;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use scheduler::{CancelToken, Failure, Outcome, Scheduler, job};
use tokio::net::TcpListener;

/// How many jobs run at a time.
const CONCURRENCY: usize = 2;
/// How many more may wait.
const WAITING: usize = 2;

/// Returns the number of primes below `limit`, by a way that is too slow for large limits.
#[job(timeout = "2s", memory = "512MiB", core_size = 0)]
fn count_primes(limit: u64) -> usize {
    (2..limit).filter(|n| (2..*n).take_while(|divisor| divisor * divisor <= *n).all(|divisor| n % divisor != 0)).count()
}

struct Service {
    scheduler: Scheduler,
}

impl Service {
    async fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        match path.strip_prefix("/primes/").map(str::parse) {
            Some(Ok(limit)) => self.primes(limit).await,
            Some(Err(_)) => response(StatusCode::BAD_REQUEST, "write a number, as in /primes/1000"),
            None if path == "/load" => {
                let load = self.scheduler.running() + self.scheduler.queued();
                response(StatusCode::OK, format!("{load} of {}", CONCURRENCY + WAITING))
            }
            None => response(StatusCode::NOT_FOUND, "there are /primes/1000 and /load"),
        }
    }

    async fn primes(&self, limit: u64) -> Response<Full<Bytes>> {
        // If the client goes away, hyper drops this future, and with it the handle: the job is killed.
        let run = match self.scheduler.try_spawn(count_primes::job(limit)) {
            Ok(handle) => handle.await,
            Err(error) if error.is_queue_full() => return unavailable("too many requests"),
            Err(error) => Err(error),
        };
        match run.map(|run| run.outcome) {
            Ok(Outcome::Ok(count)) => response(StatusCode::OK, count.to_string()),
            Ok(Outcome::Timeout(overrun)) => response(StatusCode::GATEWAY_TIMEOUT, overrun.to_string()),
            // It waited when the service was asked to terminate, or it ran at the second request to do so.
            Ok(Outcome::Error(Failure::Cancelled { .. })) => unavailable("the service terminates"),
            Ok(outcome) => response(StatusCode::INTERNAL_SERVER_ERROR, outcome.error().unwrap_or_default()),
            Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")),
        }
    }
}

fn response(status: StatusCode, text: impl Into<String>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text.into() + "\n")));
    *response.status_mut() = status;
    response
}

fn unavailable(text: &str) -> Response<Full<Bytes>> {
    let mut response = response(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(RETRY_AFTER, "1".parse().expect("a number is a valid header"));
    response
}

#[scheduler::main]
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let token = CancelToken::on_termination()?;
    let scheduler = Scheduler::new().concurrency(CONCURRENCY).queue_capacity(WAITING).standby(CONCURRENCY);
    let service = Arc::new(Service { scheduler: scheduler.cancel_token(&token) });
    service.scheduler.prewarm()?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);

    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = token.draining() => break,
        };
        let Ok((stream, _)) = accepted else {
            // The client has gone, or no descriptor is left: then another attempt at once would fail as well.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = Arc::clone(&service);
        let answer = service_fn(move |request: Request<Incoming>| {
            let service = Arc::clone(&service);
            async move { Ok::<_, Infallible>(service.answer(request.uri().path()).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        // A connection that fails is its client's affair.
        tokio::spawn(connections.watch(connection));
    }
    drop(listener);
    connections.shutdown().await;
    println!("every request is answered");
    Ok(())
}
