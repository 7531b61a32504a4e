//! What a topology leaves on Kubernetes: its pods end after Heron has forgotten it, and a new topology of the name would meet
//! them. Names and labels are those of Heron's KubernetesShim: the StatefulSets `<name>-executors` and `<name>-manager`, pods
//! labelled `topology=<name>`.

use super::wait::Wait;
use super::{Error, Target};
use crate::kubernetes::gone::{Old, gone};
use crate::kubernetes::{self, Cluster, Connection, Kind, Object};

/// The Kubernetes that a topology runs on.
#[derive(Debug)]
pub(super) struct Pods<'a> {
    target: &'a Target,
    cluster: Cluster,
}

impl<'a> Pods<'a> {
    /// Connects and looks once, so that what is wrong is told before anything is killed; none where the topology does not run
    /// on Kubernetes.
    pub async fn of(target: &'a Target) -> Result<Option<Self>, Error> {
        let namespace = &target.kubernetes_namespace;
        if namespace.is_empty() {
            return Ok(None);
        }
        let connection = Connection { namespace: namespace.clone(), ..Connection::default() };
        let connect = async {
            let cluster = Cluster::connect(&connection).await?;
            cluster.get(&set(target, "manager")).await?;
            cluster.list(&Kind::pod(), namespace, &labels(target), "").await?;
            Ok(cluster)
        };
        let cluster = connect.await.map_err(|source| failed(target, source))?;
        Ok(Some(Self { target, cluster }))
    }

    /// Waits until the StatefulSets and pods of the topology are gone.
    pub async fn wait_until_gone(&self, wait: &Wait) -> Result<(), Error> {
        let target = self.target;
        let namespace = target.kubernetes_namespace.clone();
        let pods = Old::Labelled { kind: Kind::pod(), namespace, labels: labels(target) };
        let old = [Old::Named(set(target, "executors")), Old::Named(set(target, "manager")), pods];
        let mut limit = kubernetes::Wait::within(wait.request_limit());
        gone(&self.cluster, &old, &mut limit).await.map_err(|source| failed(target, source))
    }
}

fn set(target: &Target, part: &str) -> Object {
    Object::new(Kind::stateful_set(), &target.kubernetes_namespace, &format!("{}-{part}", target.topology))
}

fn labels(target: &Target) -> String {
    format!("topology={}", target.topology)
}

fn failed(target: &Target, source: kubernetes::Error) -> Error {
    Error::Pods {
        topology: target.topology.clone(),
        namespace: target.kubernetes_namespace.clone(),
        source: Box::new(source),
    }
}
