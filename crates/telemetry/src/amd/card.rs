//! One card's files.

use std::io;
use std::path::{Path, PathBuf};

use domain::telemetry::GpuReading;

use super::{throttle, uevent};
use crate::file::{OpenFile, entries, name as file_name, read};
use crate::reading::reading;

pub(super) struct Card {
    index: u32,
    /// Its place on the PCI bus, `0000:03:00.0`.
    pub(super) slot: String,
    /// In the order of [`reading`].
    quantities: [Quantity; 8],
    throttle: Source,
}

/// An open file, or why it cannot be read.
type Source = Result<OpenFile, String>;

impl Card {
    pub(super) fn open(index: u32, device: &Path) -> Self {
        let hwmon = entries(&device.join("hwmon")).into_iter().next();
        let sensors = |names: &[&str]| -> Vec<PathBuf> {
            let folder = hwmon.iter();
            folder
                .flat_map(|folder| names.iter().map(|name| folder.join(name)))
                .collect()
        };
        let file = |name, what| Quantity::open(&[device.join(name)], what, whole_number, 1.0);
        let sensor = |names: &[&str], what, scale| {
            Quantity::open(&sensors(names), what, whole_number, scale)
        };
        let clock = |label, names: [&str; 2], table, what| {
            // The sensor in hertz where it carries the right label, the table of levels otherwise.
            let labelled = sensors(&names).into_iter().find_map(|sensor| {
                let of = |what| PathBuf::from(format!("{}_{what}", sensor.display()));
                (read(&of("label")).as_deref() == Some(label)).then(|| of("input"))
            });
            match labelled.filter(|sensor| sensor.exists()) {
                Some(sensor) => Quantity::open(&[sensor], what, whole_number, 1e-6),
                None => Quantity::open(&[device.join(table)], what, level_in_use, 1.0),
            }
        };
        let slot = uevent(device, "PCI_SLOT_NAME").unwrap_or_else(|| format!("card {index}"));
        Self {
            index,
            slot,
            quantities: [
                file("gpu_busy_percent", "utilisation"),
                file("mem_info_vram_used", "memory in use"),
                file("mem_info_vram_total", "memory in all"),
                sensor(&["power1_average", "power1_input"], "power", 1e-6),
                sensor(&["energy1_input"], "energy counter", 1e-6),
                clock("sclk", ["freq1", "freq2"], "pp_dpm_sclk", "shader clock"),
                clock("mclk", ["freq2", "freq1"], "pp_dpm_mclk", "memory clock"),
                sensor(&["temp1_input"], "temperature", 1e-3),
            ],
            throttle: open_throttle(&device.join("gpu_metrics"))
                .map_err(|why| format!("no throttle reasons ({why})")),
        }
    }

    /// The card's reading without its processes; none when it gives no value.
    pub(super) fn read(&mut self) -> Option<GpuReading> {
        let table = self.throttle.as_mut().ok();
        let table = table.and_then(|file| file.bytes().ok());
        let throttle = table.and_then(|table| throttle::bits(table).ok());
        let numbers = self.quantities.each_mut().map(Quantity::read);
        let throttle = throttle.map(throttle::names);
        reading(self.index, None, numbers, throttle, None)
    }

    /// The quantities that the card does not give, each with the reason.
    pub(super) fn missing(&self) -> impl Iterator<Item = &String> {
        let sources = self.quantities.iter().map(|quantity| &quantity.source);
        sources
            .chain([&self.throttle])
            .filter_map(|source| source.as_ref().err())
    }

    /// Constant facts, by name. The link is as it runs now; an idle card slows it down.
    pub(super) fn facts(
        &self,
        device: &Path,
    ) -> impl Iterator<Item = ((u32, &'static str), String)> {
        let hwmon = entries(&device.join("hwmon")).into_iter().next();
        let limit = hwmon.and_then(|folder| read(&folder.join("power1_cap"))?.parse::<f64>().ok());
        let limit = limit.map(|microwatts| format!("{:.0} W", microwatts / 1e6));
        let width = read(&device.join("current_link_width"));
        let width = width.map_or_else(String::new, |width| format!(" x{width}"));
        // `16.0 GT/s PCIe x16`
        let link = read(&device.join("current_link_speed")).map(|speed| speed + &width);
        let slot = Some(self.slot.clone());
        let facts = [("pci", slot), ("link", link), ("power_limit", limit)];
        let index = self.index;
        let known = move |(what, value)| Some(((index, what), value?));
        facts.into_iter().filter_map(known)
    }
}

/// One number of a card, or why there is none.
#[derive(Debug)]
struct Quantity {
    source: Source,
    /// How the file writes the number.
    parse: fn(&str) -> Option<f64>,
    /// From the file's unit to that of a reading.
    scale: f64,
}

impl Quantity {
    /// The first of several files that holds such a number.
    fn open(files: &[PathBuf], what: &str, parse: fn(&str) -> Option<f64>, scale: f64) -> Self {
        let mut why: Option<String> = None;
        let source = files.iter().find_map(|path| {
            let mut file = match OpenFile::open(path) {
                Ok(file) => file,
                Err(error) => {
                    why.get_or_insert_with(|| unreadable(path, &error));
                    return None;
                }
            };
            why = match text(&mut file) {
                Ok(text) if parse(text).is_some() => return Some(file),
                Ok(text) => Some(format!("{} holds `{}`", file_name(path), shown(text))),
                Err(error) => Some(unreadable(path, &error)),
            };
            None
        });
        let why = why.unwrap_or_else(|| "no hwmon folder".to_owned());
        Self {
            source: source.ok_or_else(|| format!("no {what} ({why})")),
            parse,
            scale,
        }
    }

    fn read(&mut self) -> Option<f64> {
        let text = text(self.source.as_mut().ok()?).ok()?;
        (self.parse)(text).map(|number| number * self.scale)
    }
}
/// The kernel writes whole numbers only; temperatures may be below zero.
fn whole_number(text: &str) -> Option<f64> {
    text.trim().parse::<i64>().ok().map(|number| number as f64)
}

/// The level in use, in MHz, of a table with a level a line: `1: 1800Mhz *`, where the star marks it.
fn level_in_use(text: &str) -> Option<f64> {
    let mut levels = text.lines();
    let level = levels.find_map(|line| line.trim_end().strip_suffix('*'))?;
    let (_, level) = level.split_once(':')?;
    let level = level.trim().to_ascii_lowercase();
    whole_number(level.strip_suffix("mhz")?)
}

fn open_throttle(path: &Path) -> Result<OpenFile, String> {
    let mut file = OpenFile::open(path).map_err(|error| unreadable(path, &error))?;
    let table = file.bytes().map_err(|error| unreadable(path, &error))?;
    throttle::bits(table).map_err(|why| format!("gpu_metrics: {why}"))?;
    Ok(file)
}

/// The file's text as it is now.
fn text(file: &mut OpenFile) -> io::Result<&str> {
    std::str::from_utf8(file.bytes()?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        io::ErrorKind::InvalidData => "holds no text".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    format!("{} {why}", file_name(path))
}

/// The start of a text that was not understood.
fn shown(text: &str) -> String {
    text.trim().chars().take(20).collect()
}

/// The name in the card, the name in the list of PCI devices, or its PCI numbers.
pub(super) fn name(device: &Path, pci_ids: &[PathBuf]) -> String {
    read(&device.join("product_name")).unwrap_or_else(|| {
        let Some(id) = read(&device.join("device")) else {
            return "AMD GPU".to_owned();
        };
        let id = id.trim_start_matches("0x").to_ascii_lowercase();
        let mut names = pci_ids
            .iter()
            .filter_map(|path| device_name(&read(path)?, &id));
        let name = names.next().unwrap_or_else(|| format!("GPU 1002:{id}"));
        format!("AMD {name}")
    })
}

/// AMD's device with this number in a list of PCI devices.
fn device_name(list: &str, id: &str) -> Option<String> {
    let of_amd = list
        .lines()
        .skip_while(|line| !line.starts_with("1002 "))
        .skip(1)
        .take_while(|line| line.starts_with('\t') || line.starts_with('#'));
    let mut devices = of_amd.filter(|line| !line.starts_with("\t\t"));
    devices.find_map(|line| {
        let (number, name) = line.trim().split_once(char::is_whitespace)?;
        (number == id).then(|| name.trim().to_owned())
    })
}
