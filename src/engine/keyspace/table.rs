//! The buckets of a [`Dict`](super::dict::Dict): chains of nodes in hash order, in pages that come and go one by one.
//!
//! A bucket is the top bits of the hash, so buckets lie in hash order and doubling the table splits each into two
//! neighbours. Memory is taken and given back a page at a time: making a table costs eight bytes per page of buckets,
//! never a pass over the buckets. A table neither counts its nodes nor looks into their items.

/// Buckets in a page, as a power of two.
const PAGE_BITS: u32 = 9;
/// Buckets in a page.
const PAGE: usize = 1 << PAGE_BITS;

/// One item, its hash, and the rest of its bucket.
pub(super) struct Node<T> {
    pub(super) hash: u64,
    pub(super) next: Chain<T>,
    pub(super) item: T,
}

/// The nodes of one bucket.
pub(super) type Chain<T> = Option<Box<Node<T>>>;

/// Two to the power of `bits` buckets.
pub(super) struct Table<T> {
    bits: u32,
    pages: Vec<Option<Box<[Chain<T>; PAGE]>>>,
    present: usize,
}

impl<T> Table<T> {
    pub(super) fn new(bits: u32) -> Self {
        assert!((1..usize::BITS).contains(&bits), "a table of 2^{bits} buckets");
        let mut pages = Vec::new();
        pages.resize_with(1 << bits.saturating_sub(PAGE_BITS), || None);
        Self { bits, pages, present: 0 }
    }

    /// The number of buckets, as a power of two.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// The number of buckets.
    pub(super) fn buckets(&self) -> usize {
        1 << self.bits
    }

    /// What the table itself takes, nodes excluded.
    pub(super) fn bytes(&self) -> usize {
        self.pages.len() * size_of::<Option<Box<[Chain<T>; PAGE]>>>()
            + self.present * size_of::<[Chain<T>; PAGE]>()
    }

    /// The bucket of this hash.
    pub(super) fn bucket(&self, hash: u64) -> usize {
        (hash >> (u64::BITS - self.bits)) as usize
    }

    /// The smallest hash that lies behind the bucket of `hash`; `None` behind the last bucket.
    pub(super) fn behind(&self, hash: u64) -> Option<u64> {
        let shift = u64::BITS - self.bits;
        ((hash >> shift) + 1).checked_mul(1 << shift)
    }

    /// The nodes in the bucket of this hash.
    pub(super) fn chain(&self, hash: u64) -> Nodes<'_, T> {
        let bucket = self.bucket(hash);
        let page = self.pages[bucket / PAGE].as_deref();
        Nodes(page.and_then(|page| page[bucket % PAGE].as_deref()))
    }

    /// The chain in the bucket of this hash, if its page is there.
    pub(super) fn chain_mut(&mut self, hash: u64) -> Option<&mut Chain<T>> {
        let bucket = self.bucket(hash);
        let page = self.pages[bucket / PAGE].as_deref_mut();
        page.map(|page| &mut page[bucket % PAGE])
    }

    /// Puts a node into its bucket, in front.
    pub(super) fn push(&mut self, mut node: Box<Node<T>>) {
        let bucket = self.bucket(node.hash);
        let present = &mut self.present;
        let page = self.pages[bucket / PAGE].get_or_insert_with(|| {
            *present += 1;
            Box::new([const { None }; PAGE])
        });
        let head = &mut page[bucket % PAGE];
        node.next = head.take();
        *head = Some(node);
    }

    /// Takes all of this bucket. With the last bucket of a page the page goes too, so buckets are taken in order, by
    /// one who has left nothing in the page.
    pub(super) fn take(&mut self, bucket: usize) -> Chain<T> {
        let last = self.buckets() - 1;
        let slot = &mut self.pages[bucket / PAGE];
        let chain = slot.as_mut().and_then(|page| page[bucket % PAGE].take());
        if bucket % PAGE == (PAGE - 1).min(last) && slot.take().is_some() {
            self.present -= 1;
        }
        chain
    }
}

/// Walks the nodes of one bucket.
pub(super) struct Nodes<'a, T>(Option<&'a Node<T>>);

impl<'a, T> Iterator for Nodes<'a, T> {
    type Item = &'a Node<T>;

    fn next(&mut self) -> Option<&'a Node<T>> {
        let node = self.0?;
        self.0 = node.next.as_deref();
        Some(node)
    }
}
