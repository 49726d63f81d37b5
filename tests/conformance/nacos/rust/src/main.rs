//! Executes commands from standard input with the unmodified Nacos client for Rust, until the input ends.
//!
//! The commands and answers are the same for every driver: see `tests/src/nacos.rs`. The client's log goes to standard error.

use std::{collections::HashMap, error::Error, sync::Arc};

use nacos_sdk::api::{
    naming::{NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance},
    props::ClientProps,
};
use tokio::io::{AsyncBufReadExt, BufReader};

struct Listener(String);

impl NamingEventListener for Listener {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        println!("changed {}{}", self.0, shown(event.instances.as_deref().unwrap_or_default()));
    }
}

fn shown(instances: &[ServiceInstance]) -> String {
    let mut texts = instances
        .iter()
        .map(|instance| {
            let mut metadata = instance.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
            metadata.sort();
            let health = if instance.healthy { "healthy" } else { "unhealthy" };
            let ServiceInstance { ip, port, weight, .. } = instance;
            format!(" {ip}:{port}/{weight:?}/{health}/{}", metadata.join(","))
        })
        .collect::<Vec<_>>();
    texts.sort();
    texts.concat()
}

fn instance(words: &[&str]) -> Result<ServiceInstance, Box<dyn Error>> {
    let metadata = match words[5] {
        "-" => HashMap::new(),
        text => text
            .split(',')
            .filter_map(|entry| entry.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    };
    Ok(ServiceInstance {
        ip: words[0].to_owned(),
        port: words[1].parse()?,
        weight: words[2].parse()?,
        cluster_name: Some(words[3].to_owned()),
        ephemeral: words[4] == "ephemeral",
        metadata,
        ..ServiceInstance::default()
    })
}

async fn obey(naming: &NamingService, line: &str) -> Result<String, Box<dyn Error>> {
    let words = line.split(' ').collect::<Vec<_>>();
    let (command, service, words) = (words[0], words[1].to_owned(), &words[2..]);
    match command {
        "register" | "update" => naming.register_instance(service.clone(), None, instance(words)?).await?,
        "deregister" => naming.deregister_instance(service.clone(), None, instance(words)?).await?,
        "batch" => {
            let mut instances = Vec::new();
            for word in words {
                let (ip, port) = word.split_once(':').ok_or("no port")?;
                instances.push(ServiceInstance { ip: ip.to_owned(), port: port.parse()?, ..ServiceInstance::default() });
            }
            naming.batch_register_instance(service.clone(), None, instances).await?;
        }
        "list" => {
            let instances = naming.get_all_instances(service.clone(), None, Vec::new(), false).await?;
            return Ok(format!("hosts {service}{}", shown(&instances)));
        }
        "subscribe" => {
            let listener = Arc::new(Listener(service.clone()));
            naming.subscribe(service.clone(), None, Vec::new(), listener).await?;
        }
        _ => return Err("unknown command".into()),
    }
    Ok(format!("ok {command} {service}"))
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let server = std::env::args().nth(1).ok_or("no server")?;
    let properties = ClientProps::new().server_addr(server).namespace("").app_name("driver");
    let naming = NamingServiceBuilder::new(properties).build().await?;
    println!("ready");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match obey(&naming, &line).await {
            Ok(answer) => println!("{answer}"),
            Err(error) => println!("error {} {error}", line.split(' ').next().unwrap_or_default()),
        }
    }
    Ok(())
}
