//! The packing plan as Heron answers it to a dry run: a text with a table for each container.

use crate::report::Component;

const MEGABYTE: u64 = 1 << 20;

/// A packing plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// As Heron writes it.
    pub text: String,
    /// Its instances, one after the other.
    pub instances: Vec<Planned>,
}

/// An instance of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Its component.
    pub component: String,
    /// Cores.
    pub cpu: f64,
    /// Bytes.
    pub ram: u64,
    /// Bytes.
    pub disk: u64,
}

impl Plan {
    /// Reads the rows `| component | task ID | CPU | RAM (MB) | disk (MB) |`; what is none is passed over.
    pub fn parse(text: &str) -> Self {
        let row = |line: &str| {
            let cells: Vec<&str> =
                line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
            let [component, task, cpu, ram, disk] = cells.as_slice() else { return None };
            task.parse::<u32>().ok()?;
            let megabytes = |cell: &str| cell.parse::<u64>().ok()?.checked_mul(MEGABYTE);
            let component = (*component).to_owned();
            Some(Planned { component, cpu: cpu.parse().ok()?, ram: megabytes(ram)?, disk: megabytes(disk)? })
        };
        Self { text: text.trim().to_owned(), instances: text.lines().filter_map(row).collect() }
    }

    /// The components in the order of their names, with the least that an instance is given.
    pub fn components(&self) -> Vec<Component> {
        let mut components: Vec<Component> = Vec::new();
        for instance in &self.instances {
            match components.iter_mut().find(|known| known.name == instance.component) {
                Some(known) => {
                    known.parallelism += 1;
                    known.cpu = known.cpu.map(|cpu| cpu.min(instance.cpu));
                    known.ram_bytes = known.ram_bytes.min(Some(instance.ram));
                    known.disk_bytes = known.disk_bytes.min(Some(instance.disk));
                }
                None => components.push(Component {
                    name: instance.component.clone(),
                    kind: String::new(),
                    parallelism: 1,
                    cpu: Some(instance.cpu),
                    ram_bytes: Some(instance.ram),
                    disk_bytes: Some(instance.disk),
                }),
            }
        }
        components.sort_by(|a, b| a.name.cmp(&b.name));
        components
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_plan_is_read_row_by_row() {
        let recorded = include_str!("../../tests/data/heron/apiserver/mini-update-dryrun.txt");
        let body = recorded.split_once("\n\n").unwrap().1;
        let json: serde_json::Value = serde_json::from_str(body.trim()).unwrap();
        let plan = Plan::parse(json["response"].as_str().unwrap());
        assert!(plan.text.starts_with("Total number of containers: 2\n"));
        let told: Vec<String> = plan
            .components()
            .iter()
            .map(|c| format!("{} {} {:?} {:?} {:?}", c.name, c.parallelism, c.cpu, c.ram_bytes, c.disk_bytes))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        count 2 Some(0.5) Some(314572800) Some(1073741824)
        sentence 1 Some(0.5) Some(314572800) Some(1073741824)
        split 2 Some(0.5) Some(314572800) Some(1073741824)
        ");
    }
}
