//! The `.defn` file that a topology's main writes: Heron's `topology.proto`, as far as it is needed to know what will run.
//!
//! Field numbers are those of heron-api 0.20.3-incubating, `org.apache.heron.api.generated.TopologyAPI`.

use std::collections::HashMap;
use std::str::FromStr;

use prost::Message;

use crate::report;

/// The config key of a component's number of instances.
const PARALLELISM: &str = "topology.component.parallelism";
/// The config keys of the maps `component:value,…` that hold what one instance is to be given: cores, bytes, bytes.
const CPU_MAP: &str = "topology.component.cpumap";
const RAM_MAP: &str = "topology.component.rammap";
const DISK_MAP: &str = "topology.component.diskmap";

/// A topology as its main made it.
#[derive(Clone, PartialEq, Message)]
pub struct Topology {
    /// Its name and a random part.
    #[prost(string, required, tag = "1")]
    pub id: String,
    /// The name under which Heron runs it.
    #[prost(string, required, tag = "2")]
    pub name: String,
    /// Its spouts.
    #[prost(message, repeated, tag = "3")]
    pub spouts: Vec<Spout>,
    /// Its bolts.
    #[prost(message, repeated, tag = "4")]
    pub bolts: Vec<Bolt>,
    /// The state it is to start in.
    #[prost(enumeration = "TopologyState", required, tag = "5")]
    pub state: i32,
    /// Its settings.
    #[prost(message, optional, tag = "6")]
    pub topology_config: Option<Config>,
}

/// The state of a topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum TopologyState {
    /// Spouts emit.
    Running = 1,
    /// Spouts are held.
    Paused = 2,
    /// It is being taken away.
    Killed = 3,
}

/// A component that brings tuples in.
#[derive(Clone, PartialEq, Message)]
pub struct Spout {
    /// What every component has.
    #[prost(message, required, tag = "1")]
    pub comp: Component,
    /// The streams it emits to.
    #[prost(message, repeated, tag = "2")]
    pub outputs: Vec<OutputStream>,
}

/// A component that works on tuples.
#[derive(Clone, PartialEq, Message)]
pub struct Bolt {
    /// What every component has.
    #[prost(message, required, tag = "1")]
    pub comp: Component,
    /// The streams it reads.
    #[prost(message, repeated, tag = "2")]
    pub inputs: Vec<InputStream>,
    /// The streams it emits to.
    #[prost(message, repeated, tag = "3")]
    pub outputs: Vec<OutputStream>,
}

/// What spouts and bolts have in common.
#[derive(Clone, PartialEq, Message)]
pub struct Component {
    /// Its name in the topology.
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// Its Java class, where it was named and not serialised.
    #[prost(string, optional, tag = "2")]
    pub class_name: Option<String>,
    /// Its settings; `topology.component.parallelism` is its number of instances.
    #[prost(message, optional, tag = "3")]
    pub config: Option<Config>,
    /// The Java-serialised spout or bolt.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub serialized_object: Option<Vec<u8>>,
    /// Which of these forms it has.
    #[prost(enumeration = "ComponentObjectSpec", required, tag = "5")]
    pub spec: i32,
}

/// The form in which a component's code is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ComponentObjectSpec {
    /// The name of a Java class.
    JavaClassName = 1,
    /// A Java-serialised object.
    JavaSerializedObject = 2,
    /// The name of a Python class.
    PythonClassName = 3,
    /// A C++ class in a library.
    CppClassInfo = 4,
}

/// Settings of a topology or a component.
#[derive(Clone, PartialEq, Message)]
pub struct Config {
    /// One by one.
    #[prost(message, repeated, tag = "1")]
    pub kvs: Vec<ConfigEntry>,
}

/// One setting (`Config.KeyValue` in Heron's words).
#[derive(Clone, PartialEq, Message)]
pub struct ConfigEntry {
    /// Its key.
    #[prost(string, required, tag = "1")]
    pub key: String,
    /// Its value, where that is a string: all that Heron itself sets is.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
    /// Its Java-serialised value, for other objects of the user's.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub serialized_value: Option<Vec<u8>>,
    /// 1 a string, 2 Java-serialised, 3 Python-serialised.
    #[prost(int32, optional, tag = "4")]
    pub r#type: Option<i32>,
}

/// A stream that a bolt reads.
#[derive(Clone, PartialEq, Message)]
pub struct InputStream {
    /// Which stream of which component.
    #[prost(message, required, tag = "1")]
    pub stream: StreamId,
    /// How its tuples are shared out among the bolt's instances.
    #[prost(enumeration = "Grouping", required, tag = "2")]
    pub gtype: i32,
    /// The fields by which they are shared out, for a fields grouping.
    #[prost(message, optional, tag = "3")]
    pub grouping_fields: Option<StreamSchema>,
    /// The Java-serialised custom grouping.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub custom_grouping_object: Option<Vec<u8>>,
}

/// How tuples are shared out among a bolt's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Grouping {
    /// Evenly.
    Shuffle = 1,
    /// By the value of fields.
    Fields = 2,
    /// Each tuple to all.
    All = 3,
    /// All tuples to the instance with the lowest task id.
    Lowest = 4,
    /// However Heron likes.
    None = 5,
    /// To the instance that the emitter names.
    Direct = 6,
    /// By code of the user's.
    Custom = 7,
}

/// A stream that a component emits to.
#[derive(Clone, PartialEq, Message)]
pub struct OutputStream {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub stream: StreamId,
    /// The fields of its tuples.
    #[prost(message, required, tag = "2")]
    pub schema: StreamSchema,
}

/// The name of a stream.
#[derive(Clone, PartialEq, Message)]
pub struct StreamId {
    /// Its name in the component; `default` unless the component says otherwise.
    #[prost(string, required, tag = "1")]
    pub id: String,
    /// The component that emits to it.
    #[prost(string, required, tag = "2")]
    pub component_name: String,
}

/// The fields of a stream's tuples.
#[derive(Clone, PartialEq, Message)]
pub struct StreamSchema {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub keys: Vec<SchemaKey>,
}

/// A field of a stream's tuples (`StreamSchema.KeyType` in Heron's words).
#[derive(Clone, PartialEq, Message)]
pub struct SchemaKey {
    /// Its name.
    #[prost(string, required, tag = "1")]
    pub key: String,
}

impl Config {
    /// A setting that is a string.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.kvs.iter().find(|entry| entry.key == key)?.value.as_deref()
    }

    /// A setting of the form `component:value,component:value`. Parts that are not are left out: Heron's packing, not
    /// this program, judges them.
    fn map<T: FromStr>(&self, key: &str) -> HashMap<&str, T> {
        let parts = self.get(key).unwrap_or_default().split(',');
        parts
            .filter_map(|part| {
                let (component, value) = part.rsplit_once(':')?;
                Some((component, value.trim().parse().ok()?))
            })
            .collect()
    }
}

impl Component {
    /// How many instances it is to have. Heron's own default is 1.
    pub fn parallelism(&self) -> u32 {
        let asked = self.config.as_ref().and_then(|config| config.get(PARALLELISM));
        asked.and_then(|text| text.parse().ok()).unwrap_or(1)
    }
}

impl Topology {
    /// Every component, spouts first, with what main asked for it: a resource is none where main left it to Heron.
    pub fn components(&self) -> Vec<report::Component> {
        let nothing = Config::default();
        let config = self.topology_config.as_ref().unwrap_or(&nothing);
        let (cpu, ram, disk) = (config.map::<f64>(CPU_MAP), config.map::<u64>(RAM_MAP), config.map::<u64>(DISK_MAP));
        let spouts = self.spouts.iter().map(|spout| ("spout", &spout.comp));
        let bolts = self.bolts.iter().map(|bolt| ("bolt", &bolt.comp));
        spouts
            .chain(bolts)
            .map(|(kind, component)| {
                let name = component.name.as_str();
                report::Component {
                    name: name.to_owned(),
                    kind: kind.to_owned(),
                    parallelism: component.parallelism(),
                    cpu: cpu.get(name).copied(),
                    ram_bytes: ram.get(name).copied(),
                    disk_bytes: disk.get(name).copied(),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by heron-api 0.20.3-incubating from tests/data/heron/WordCount.java.
    const WC: &[u8] = include_bytes!("../../tests/data/heron/wc.defn");

    #[test]
    fn a_definition_tells_the_components_and_what_main_asked_for_them() {
        let topology = Topology::decode(WC).unwrap();
        assert_eq!((topology.name.as_str(), topology.state()), ("wc", TopologyState::Running));
        let told: Vec<String> = topology
            .components()
            .iter()
            .map(|c| {
                format!("{} {} {} {:?} {:?} {:?}", c.kind, c.name, c.parallelism, c.cpu, c.ram_bytes, c.disk_bytes)
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        spout sentence 1 Some(0.5) Some(419430400) None
        bolt split 2 None Some(419430400) None
        bolt count 2 None Some(419430400) Some(1073741824)
        ");
    }

    #[test]
    fn a_definition_keeps_streams_groupings_and_the_serialised_code() {
        let topology = Topology::decode(WC).unwrap();
        let input = &topology.bolts[1].inputs[0];
        assert_eq!((input.stream.component_name.as_str(), input.gtype()), ("split", Grouping::Fields));
        assert_eq!(input.grouping_fields.as_ref().unwrap().keys[0].key, "word");
        assert_eq!(topology.bolts[0].inputs[0].gtype(), Grouping::Shuffle);
        assert_eq!(topology.spouts[0].outputs[0].schema.keys[0].key, "sentence");
        let spout = &topology.spouts[0].comp;
        assert_eq!(spout.spec(), ComponentObjectSpec::JavaSerializedObject);
        // 0xACED begins every Java serialisation stream.
        assert!(spout.serialized_object.as_ref().unwrap().starts_with(&[0xAC, 0xED]));
        let config = topology.topology_config.unwrap();
        assert_eq!(config.get("topology.max.spout.pending"), Some("200"));
        // What main sets beyond Heron's own keys is Java-serialised, strings too.
        let own = config.kvs.iter().find(|entry| entry.key == "my.user.config").unwrap();
        assert!(own.value.is_none() && own.serialized_value.as_ref().unwrap().ends_with(b"hello"));
    }

    #[test]
    fn what_is_not_a_definition_is_an_error() {
        assert!(Topology::decode(&b"PK\x03\x04 this is a jar"[..]).is_err());
    }
}
