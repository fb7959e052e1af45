//! Rows on their way into the tables, in one piece of memory.

use super::Day;
use crate::store::error::StoreError;
use crate::store::journal::Position;

/// A table, by its place in the list of names given at opening ([`super::TablesConfig`]).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TableId(pub u8);

/// Rows to be written together. Keys and values lie one after the other in one allocation, which
/// [`clear`](Self::clear) keeps.
#[derive(Debug, Default)]
pub struct WriteSet {
    /// The last journal batch that the state contains once this set is written.
    pub position: Position,
    arena: Vec<u8>,
    state: Vec<Row>,
    history: Vec<(Day, Row)>,
}

impl WriteSet {
    /// A set without rows that moves the state to `position`.
    pub fn up_to(position: Position) -> Self {
        Self { position, ..Self::default() }
    }

    /// Sets a row of the state.
    pub fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) {
        let row = self.row(table, key, Some(value));
        self.state.push(row);
    }

    /// Removes a row of the state; one that is not there stays away.
    pub fn remove(&mut self, table: TableId, key: &[u8]) {
        let row = self.row(table, key, None);
        self.state.push(row);
    }

    /// Sets a row of a day's history.
    pub fn put_history(&mut self, day: Day, table: TableId, key: &[u8], value: &[u8]) {
        let row = self.row(table, key, Some(value));
        self.history.push((day, row));
    }

    /// Removes a row of a day's history.
    pub fn remove_history(&mut self, day: Day, table: TableId, key: &[u8]) {
        let row = self.row(table, key, None);
        self.history.push((day, row));
    }

    /// Forgets all rows and keeps the memory. The position stays.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.state.clear();
        self.history.clear();
    }

    /// Rows, counted as often as they were put or removed.
    pub fn len(&self) -> usize {
        self.state.len() + self.history.len()
    }

    /// Whether there is no row; such a set still moves the position.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets of keys and values.
    pub fn octets(&self) -> usize {
        self.arena.len()
    }

    pub(super) fn check(&self, state_tables: usize, history_tables: usize) -> Result<(), StoreError> {
        let state = self.state.iter().map(|row| (row.table, state_tables));
        let history = self.history.iter().map(|(_, row)| (row.table, history_tables));
        match state.chain(history).find(|(table, known)| usize::from(table.0) >= *known) {
            Some((table, _)) => Err(StoreError::UnknownTable(table.0)),
            None => Ok(()),
        }
    }

    /// Orders the rows by day, table and key. Stable, so that the last word on a key stays the last.
    pub(super) fn sort(&mut self) {
        let arena = &self.arena;
        self.state.sort_by(|a, b| a.cmp_place(b, arena));
        self.history.sort_by(|(day_a, a), (day_b, b)| day_a.cmp(day_b).then_with(|| a.cmp_place(b, arena)));
    }

    pub(super) fn state_rows(&self) -> impl Iterator<Item = Written<'_>> {
        last_words(&self.arena, self.state.iter())
    }

    /// The rows by day. [`sort`](Self::sort) came before.
    pub(super) fn days(&self) -> impl Iterator<Item = (Day, impl Iterator<Item = Written<'_>>)> {
        self.history.chunk_by(|(a, _), (b, _)| a == b).filter_map(|rows| {
            Some((rows.first()?.0, last_words(&self.arena, rows.iter().map(|(_, row)| row))))
        })
    }

    fn row(&mut self, table: TableId, key: &[u8], value: Option<&[u8]>) -> Row {
        let at = self.arena.len();
        self.arena.extend_from_slice(key);
        self.arena.extend_from_slice(value.unwrap_or_default());
        let mut front = [0; 8];
        let shared = key.len().min(8);
        front[..shared].copy_from_slice(&key[..shared]);
        Row {
            table,
            front: u64::from_be_bytes(front),
            at,
            key_octets: key.len(),
            value_octets: value.map(<[u8]>::len),
        }
    }
}

/// A row as the tables take it: `None` removes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Written<'a> {
    pub(super) table: TableId,
    pub(super) key: &'a [u8],
    pub(super) value: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    table: TableId,
    /// The first octets of the key, which decide most comparisons without a look into the arena.
    front: u64,
    at: usize,
    key_octets: usize,
    value_octets: Option<usize>,
}

impl Row {
    fn key<'a>(&self, arena: &'a [u8]) -> &'a [u8] {
        &arena[self.at..self.at + self.key_octets]
    }

    fn cmp_place(&self, other: &Self, arena: &[u8]) -> std::cmp::Ordering {
        (self.table, self.front)
            .cmp(&(other.table, other.front))
            .then_with(|| self.key(arena).cmp(other.key(arena)))
    }

    fn written<'a>(&self, arena: &'a [u8]) -> Written<'a> {
        let value_at = self.at + self.key_octets;
        Written {
            table: self.table,
            key: self.key(arena),
            value: self.value_octets.map(|octets| &arena[value_at..value_at + octets]),
        }
    }
}

/// Of rows for the same key, only the last.
fn last_words<'a>(arena: &'a [u8], rows: impl Iterator<Item = &'a Row>) -> impl Iterator<Item = Written<'a>> {
    let mut rows = rows.map(|row| row.written(arena)).peekable();
    std::iter::from_fn(move || {
        loop {
            let row = rows.next()?;
            if rows.peek().is_none_or(|next| (next.table, next.key) != (row.table, row.key)) {
                return Some(row);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn rows_come_out_in_order_and_only_the_last_word_counts(
            deeds in prop::collection::vec(
                (0u32..3, 0u8..3, prop::collection::vec(0u8..3, 0..12), prop::option::of(any::<u8>())), 0..60)
        ) {
            let mut set = WriteSet::default();
            let mut state = BTreeMap::new();
            let mut history = BTreeMap::new();
            for (day, table, key, value) in &deeds {
                let table = TableId(*table);
                let octets = value.map(|value| vec![value; 3]);
                match (day, &octets) {
                    (0, Some(value)) => set.put(table, key, value),
                    (0, None) => set.remove(table, key),
                    (_, Some(value)) => set.put_history(Day(*day), table, key, value),
                    (_, None) => set.remove_history(Day(*day), table, key),
                }
                if *day == 0 {
                    state.insert((table, key.clone()), octets);
                } else {
                    history.insert((Day(*day), table, key.clone()), octets);
                }
            }
            set.sort();
            let own = |row: Written<'_>| ((row.table, row.key.to_vec()), row.value.map(<[u8]>::to_vec));
            prop_assert_eq!(set.state_rows().map(own).collect::<Vec<_>>(), state.into_iter().collect::<Vec<_>>());
            let days = set.days().flat_map(|(day, rows)| rows.map(move |row| {
                let ((table, key), value) = own(row);
                ((day, table, key), value)
            }));
            prop_assert_eq!(days.collect::<Vec<_>>(), history.into_iter().collect::<Vec<_>>());
        }
    }
}
