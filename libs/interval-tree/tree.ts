import { compareBytes } from './bytes';

/** The exclusive upper end of a range; `undefined` stands for "no upper end". */
export type RangeEnd = Uint8Array | undefined;

interface Node<V> {
  readonly begin: Uint8Array;
  readonly end: RangeEnd;
  value: V;
  left: Node<V> | undefined;
  right: Node<V> | undefined;
  height: number;
  /** The greatest `end` in this subtree: a subtree whose ends are all at or below a key holds no range over the key. */
  maxEnd: RangeEnd;
}

function compareEnds(a: RangeEnd, b: RangeEnd): number {
  if (a === undefined) return b === undefined ? 0 : 1;
  return b === undefined ? -1 : compareBytes(a, b);
}

function height<V>(node: Node<V> | undefined): number {
  return node === undefined ? 0 : node.height;
}

function greaterEnd(a: RangeEnd, b: RangeEnd): RangeEnd {
  return compareEnds(a, b) >= 0 ? a : b;
}

function refresh<V>(node: Node<V>): void {
  node.height = 1 + Math.max(height(node.left), height(node.right));
  let maxEnd = node.end;
  if (node.left !== undefined) maxEnd = greaterEnd(maxEnd, node.left.maxEnd);
  if (node.right !== undefined) maxEnd = greaterEnd(maxEnd, node.right.maxEnd);
  node.maxEnd = maxEnd;
}

function rotateRight<V>(node: Node<V>): Node<V> {
  const pivot = node.left as Node<V>; // only called when the left side is the higher one
  node.left = pivot.right;
  pivot.right = node;
  refresh(node);
  refresh(pivot);
  return pivot;
}

function rotateLeft<V>(node: Node<V>): Node<V> {
  const pivot = node.right as Node<V>; // only called when the right side is the higher one
  node.right = pivot.left;
  pivot.left = node;
  refresh(node);
  refresh(pivot);
  return pivot;
}

function rebalance<V>(node: Node<V>): Node<V> {
  refresh(node);
  const balance = height(node.left) - height(node.right);
  if (balance > 1) {
    const left = node.left as Node<V>; // balance > 1: the left side is not empty
    if (height(left.left) < height(left.right)) node.left = rotateLeft(left);
    return rotateRight(node);
  }
  if (balance < -1) {
    const right = node.right as Node<V>; // balance < −1: the right side is not empty
    if (height(right.right) < height(right.left)) node.right = rotateRight(right);
    return rotateLeft(node);
  }
  return node;
}

/**
 * Values by half-open byte range, found by a point: an AVL tree ordered by (begin, end) in which each node knows the
 * greatest end below it (Cormen et al., Introduction to Algorithms, "Augmenting data structures").
 * Insert and remove cost O(log n); `visitAt` O(log n + found) unless many ranges begin before the point and end before it.
 */
export class IntervalTree<V> {
  private root: Node<V> | undefined;
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(begin: Uint8Array, end: RangeEnd): V | undefined {
    let node = this.root;
    while (node !== undefined) {
      const order = compareBytes(begin, node.begin) || compareEnds(end, node.end);
      if (order === 0) return node.value;
      node = order < 0 ? node.left : node.right;
    }
    return undefined;
  }

  /** Sets the value of [begin, end). The tree keeps both arrays: the caller must not change them. */
  set(begin: Uint8Array, end: RangeEnd, value: V): void {
    this.root = this.insert(this.root, begin, end, value);
  }

  /** False when no such range was there. */
  delete(begin: Uint8Array, end: RangeEnd): boolean {
    const before = this.count;
    this.root = this.remove(this.root, begin, end);
    return this.count < before;
  }

  /** Calls `visit` for the value of each range that contains `point`, in order of (begin, end). */
  visitAt(point: Uint8Array, visit: (value: V) => void): void {
    stab(this.root, point, visit);
  }

  private insert(node: Node<V> | undefined, begin: Uint8Array, end: RangeEnd, value: V): Node<V> {
    if (node === undefined) {
      this.count += 1;
      return { begin, end, value, left: undefined, right: undefined, height: 1, maxEnd: end };
    }
    const order = compareBytes(begin, node.begin) || compareEnds(end, node.end);
    if (order === 0) {
      node.value = value;
      return node;
    }
    if (order < 0) node.left = this.insert(node.left, begin, end, value);
    else node.right = this.insert(node.right, begin, end, value);
    return rebalance(node);
  }

  private remove(node: Node<V> | undefined, begin: Uint8Array, end: RangeEnd): Node<V> | undefined {
    if (node === undefined) return undefined;
    const order = compareBytes(begin, node.begin) || compareEnds(end, node.end);
    if (order < 0) node.left = this.remove(node.left, begin, end);
    else if (order > 0) node.right = this.remove(node.right, begin, end);
    else {
      this.count -= 1;
      if (node.left === undefined) return node.right;
      if (node.right === undefined) return node.left;
      return replaceBySuccessor(node.left, node.right);
    }
    return rebalance(node);
  }
}

/** The lowest node of the right side takes the place of a removed node that has two sides. */
function replaceBySuccessor<V>(left: Node<V>, right: Node<V>): Node<V> {
  let successor = right;
  while (successor.left !== undefined) successor = successor.left;
  const rest = removeLowest(right);
  successor.left = left;
  successor.right = rest;
  return rebalance(successor);
}

function removeLowest<V>(node: Node<V>): Node<V> | undefined {
  if (node.left === undefined) return node.right;
  node.left = removeLowest(node.left);
  return rebalance(node);
}

function stab<V>(start: Node<V> | undefined, point: Uint8Array, visit: (value: V) => void): void {
  let node = start;
  while (node !== undefined) {
    if (node.maxEnd !== undefined && compareBytes(node.maxEnd, point) <= 0) return;
    stab(node.left, point, visit);
    if (compareBytes(node.begin, point) > 0) return;
    if (node.end === undefined || compareBytes(point, node.end) < 0) visit(node.value);
    node = node.right;
  }
}
