//! The connection to an API server, and what is done over it.

use std::path::Path;
use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::discovery::Scope;
use kube::core::{GroupVersionKind, Request};
use kube::{Client, Config, Resource};
use serde_json::Value;

use super::error::Call;
use super::{Error, Kind, Object};
use crate::step::mounted;

/// How long the way to the API server may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one of its answers may take. Admission webhooks have up to 30 s.
const ANSWER: Duration = Duration::from_secs(60);
/// How many objects one answer holds at most; more are asked for piece by piece.
const PAGE: u32 = 500;

/// How a program reaches a cluster.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct Connection {
    /// kubeconfig file of the cluster; without one it is $KUBECONFIG, ~/.kube/config or, in a pod, the pod's ServiceAccount
    #[arg(long, value_name = "FILE", default_value = "")]
    pub kubeconfig: String,

    /// Context of the kubeconfig; its current one when empty
    #[arg(long, value_name = "NAME", default_value = "")]
    pub context: String,

    /// Namespace of the objects; that of the kubeconfig's context or, in a pod, the pod's own when empty
    #[arg(long, value_name = "NAME", default_value = "")]
    pub namespace: String,
}

/// A cluster, by way of its API server.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    server: String,
    namespace: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("server", &self.server).field("namespace", &self.namespace).finish()
    }
}

/// How an object is applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Applying<'a> {
    /// Who owns the fields from then on.
    pub manager: &'a str,
    /// Take over fields that others own.
    pub force: bool,
    /// Only ask what would be.
    pub dry_run: bool,
}

impl Cluster {
    /// Gets ready to talk; nothing is asked yet.
    pub async fn connect(connection: &Connection) -> Result<Self, Error> {
        let mut config = configuration(connection).await?;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(ANSWER);
        config.write_timeout = Some(ANSWER);
        if config.root_cert.is_none() {
            config.root_cert = system_certificates();
        }
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let namespace = match connection.namespace.as_str() {
            "" => config.default_namespace.clone(),
            given => given.to_owned(),
        };
        let client = Client::try_from(config).map_err(|error| Error::Config { words: chain(&error) })?;
        Ok(Self { client, server, namespace })
    }

    /// The API server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace of objects that name none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The kind as the API server has it.
    pub async fn kind(&self, api_version: &str, kind: &str) -> Result<Kind, Error> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let asked = GroupVersionKind::gvk(group, version, kind);
        match kube::discovery::pinned_kind(&self.client, &asked).await {
            Ok((resource, capabilities)) => Ok(Kind {
                resource,
                namespaced: capabilities.scope == Scope::Namespaced,
                has_status: capabilities.subresources.iter().any(|(sub, _)| sub.plural.ends_with("status")),
            }),
            Err(kube::Error::Discovery(_)) => Err(unknown(api_version, kind)),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(unknown(api_version, kind)),
            Err(error) => {
                let asked = Kind::known(group, version, kind, kind);
                Err(Call { verb: "discover", kind: &asked, name: "", namespace: "" }.failed(&self.server, error))
            }
        }
    }

    /// The object as it is now; none when it is not there.
    pub async fn get(&self, object: &Object) -> Result<Option<Value>, Error> {
        let request = requests(object).get(&object.name, &Default::default());
        match self.ask(call("get", object), request).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All objects of a kind in a namespace that a label selector and a field selector choose; empty ones choose all.
    pub async fn list(&self, kind: &Kind, namespace: &str, labels: &str, fields: &str) -> Result<Vec<Value>, Error> {
        let place = Object::new(kind.clone(), namespace, "");
        let mut params = ListParams::default().labels(labels).fields(fields).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let mut page = self.ask(call("list", &place), requests(&place).list(&params)).await?;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                found.extend(items);
            }
            match super::object::text(&page, "/metadata/continue") {
                "" => return Ok(found),
                next => params = params.continue_token(next),
            }
        }
    }

    /// Applies the object, which is made when it is not there, and returns it as it is then.
    pub async fn apply(&self, object: &Object, content: &Value, how: Applying<'_>) -> Result<Value, Error> {
        let mut params = PatchParams::apply(how.manager).validation_strict();
        (params.force, params.dry_run) = (how.force, how.dry_run);
        let request = requests(object).patch(&object.name, &params, &Patch::Apply(content));
        self.ask(call("patch", object), request).await
    }

    /// Makes an object that must not be there yet.
    pub async fn create(&self, object: &Object, content: &Value) -> Result<Value, Error> {
        let body = serde_json::to_vec(content).unwrap_or_default();
        self.ask(call("create", object), requests(object).create(&PostParams::default(), body)).await
    }

    /// Writes the whole object in place of the one whose resourceVersion the content carries. A conflict when that has changed.
    pub async fn replace(&self, object: &Object, content: &Value) -> Result<Value, Error> {
        let body = serde_json::to_vec(content).unwrap_or_default();
        let request = requests(object).replace(&object.name, &PostParams::default(), body);
        self.ask(call("update", object), request).await
    }

    /// Changes only these fields (a JSON merge patch). With a resourceVersion in it, a conflict when the object has changed.
    pub async fn merge(&self, object: &Object, change: &Value) -> Result<Value, Error> {
        let request = requests(object).patch(&object.name, &PatchParams::default(), &Patch::Merge(change));
        self.ask(call("patch", object), request).await
    }

    /// Deletes the object with all that belongs to it: it is there until they are gone. With a `uid` only that one is deleted,
    /// not another of its name. False when it was not there.
    pub async fn delete(&self, object: &Object, uid: Option<&str>) -> Result<bool, Error> {
        let mut params = DeleteParams::foreground();
        params.preconditions = uid.map(|uid| Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        match self.ask(call("delete", object), requests(object).delete(&object.name, &params)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            // It is another one by now.
            Err(Error::Refused { code: 409, .. }) if uid.is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn ask(
        &self,
        call: Call<'_>,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, Error> {
        let request = request.map_err(kube::Error::BuildRequest);
        let answer = match request {
            Ok(request) => self.client.request::<Value>(request).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| call.failed(&self.server, error))
    }
}

fn requests(object: &Object) -> Request {
    Request::new(DynamicObject::url_path(&object.kind.resource, object.namespace.as_deref()))
}

fn call<'a>(verb: &'a str, object: &'a Object) -> Call<'a> {
    Call { verb, kind: &object.kind, name: &object.name, namespace: object.namespace.as_deref().unwrap_or_default() }
}

fn unknown(api_version: &str, kind: &str) -> Error {
    Error::UnknownKind { kind: kind.to_owned(), api_version: api_version.to_owned() }
}

async fn configuration(connection: &Connection) -> Result<Config, Error> {
    let context = Some(connection.context.clone()).filter(|context| !context.is_empty());
    let options = KubeConfigOptions { context, ..Default::default() };
    let file = match mounted(&connection.kubeconfig) {
        Some(file) => {
            let wrong = |words: String| Error::Config { words: format!("kubeconfig {}: {words}", file.display()) };
            let read = Kubeconfig::read_from(file).map_err(|error| wrong(chain(&error)))?;
            return Config::from_custom_kubeconfig(read, &options).await.map_err(|error| wrong(chain(&error)));
        }
        None => Config::from_kubeconfig(&options).await,
    };
    let no_file = match file {
        Ok(config) => return Ok(config),
        Err(error) => chain(&error),
    };
    // A context was asked for by name: no pod has one.
    if !connection.context.is_empty() || std::env::var_os("KUBECONFIG").is_some() {
        return Err(Error::Config { words: no_file });
    }
    Config::incluster().map_err(|error| Error::Config {
        words: format!(
            "{no_file}; and no ServiceAccount of a pod: {}. Name a kubeconfig, or run under a ServiceAccount whose token is mounted (automountServiceAccountToken: true)",
            chain(&error)
        ),
    })
}

/// The certificates that this computer trusts: OpenSSL built from source knows of none.
fn system_certificates() -> Option<Vec<Vec<u8>>> {
    let file = openssl_probe::probe().cert_file?;
    let certificates = openssl::x509::X509::stack_from_pem(&read(&file)?).ok()?;
    Some(certificates.iter().filter_map(|certificate| certificate.to_der().ok()).collect())
}

fn read(file: &Path) -> Option<Vec<u8>> {
    std::fs::read(file).ok()
}

/// An error with its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !said.contains(&words) {
            said = format!("{said}: {words}");
        }
        cause = next.source();
    }
    said
}
