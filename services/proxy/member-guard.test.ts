import { MemberGuard } from './member-guard';

function setUp() {
  const moves: string[] = [];
  const member = { up: true, leaderLostAt: undefined as number | undefined };
  const attachment = { moveOn: (reason: string) => moves.push(reason) > 0 };
  const guard = new MemberGuard({
    attachment,
    view: {
      get leaderLostAt() {
        return member.leaderLostAt;
      },
    },
    areUp: () => member.up,
    leaderlessMaxMs: 3_000,
  });
  return { guard, member, moves };
}

test('a member whose raft or storage is away for a moment is kept, for longer it is left', () => {
  const { guard, member, moves } = setUp();
  member.up = false;
  for (const at of [0, 1_000, 1_500]) guard.sweep(at);
  member.up = true;
  guard.sweep(1_600);
  member.up = false;
  for (const at of [1_700, 3_200]) guard.sweep(at);
  expect(moves).toEqual([]);
  guard.sweep(3_201);
  expect(moves).toEqual(['its raft or storage is away']);
  guard.sweep(3_300);
  guard.sweep(4_800);
  expect(moves).toHaveLength(1);
  guard.sweep(4_801);
  expect(moves).toHaveLength(2);
});

test('a member without a leader is left, and the next one has the same time to find its leader', () => {
  const { guard, member, moves } = setUp();
  member.leaderLostAt = 1_000;
  guard.sweep(4_000);
  expect(moves).toEqual([]);
  guard.sweep(4_001);
  expect(moves).toEqual(['it has no leader']);
  guard.sweep(7_001);
  expect(moves).toHaveLength(1);
  guard.sweep(7_002);
  expect(moves).toHaveLength(2);
  member.leaderLostAt = undefined;
  guard.sweep(20_000);
  expect(moves).toHaveLength(2);
});
