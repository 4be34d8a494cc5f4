/** What jobs of one worker share, and who gets it when. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Device } from '../src/devices.js';
import { DeviceRoom, ThreadRoom, type Need, type Room } from '../src/room.js';
import { Slots } from '../src/slots.js';
import { startRig } from './rig.js';

const threads = (count: number): Need => ({ threads: count, memory: 0 });
const bytes = (memory: number): Need => ({ threads: 1, memory });

/** Work that ends when it is told to, and what it was given. */
function held(slots: Slots) {
  const begun: { need: Need; device: Device; end: () => void }[] = [];
  const start = (need: Need) =>
    slots.with(need, (device) => new Promise<void>((end) => begun.push({ need, device, end })));
  return { begun, start };
}

describe('slots', () => {
  it('are never more than there are threads, in the order asked for', async () => {
    const slots = new Slots(new ThreadRoom(3));
    let used = 0;
    let most = 0;
    const order: number[] = [];
    const work = (index: number, count: number) =>
      slots.with(threads(count), async () => {
        order.push(index);
        used += Math.min(3, count);
        most = Math.max(most, used);
        await Promise.resolve();
        used -= Math.min(3, count);
      });
    await Promise.all([work(0, 2), work(1, 2), work(2, 1), work(3, 8), work(4, 1)]);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(most).toBe(3);
    expect(slots.free).toBe(3);
  });

  it('say how much work to hold: none beside what is here while no thread is free', async () => {
    const holds: number[] = [];
    const slots = new Slots(new ThreadRoom(3), (hold) => holds.push(hold));
    expect([slots.hold, slots.fits(threads(3)), slots.fits(threads(9))]).toEqual([3, true, true]);
    const { begun, start } = held(slots);
    const wide = start(threads(2));
    expect([slots.hold, slots.fits(threads(1)), slots.fits(threads(2))]).toEqual([3, true, false]);
    const narrow = start(threads(1));
    expect([slots.hold, slots.fits(threads(1))]).toEqual([2, false]);
    const waiting = start(threads(2));
    expect(slots.hold).toBe(3);
    begun[1]?.end();
    await narrow;
    // A thread is free, but it is kept for the one that waits.
    expect([slots.free, slots.hold, slots.fits(threads(1))]).toEqual([1, 2, false]);
    begun[0]?.end();
    await wide;
    await Promise.resolve();
    begun[2]?.end();
    await waiting;
    expect([slots.free, slots.hold]).toEqual([3, 3]);
    expect(holds).toEqual([3, 2, 3, 2, 3, 3]);
  });

  it('are free again after work that failed', async () => {
    const slots = new Slots(new ThreadRoom(1));
    await expect(slots.with(threads(1), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(slots.free).toBe(1);
  });

  it('refuse what could never start', async () => {
    const slots = new Slots(new ThreadRoom(2, 100));
    expect([slots.holds(bytes(100)), slots.holds(bytes(101))]).toEqual([true, false]);
    await expect(slots.with(bytes(101), () => Promise.resolve())).rejects.toThrow(/more than there is room/);
    expect(slots.free).toBe(2);
  });

  it('hold work back for memory though threads are free', async () => {
    const room = new ThreadRoom(8, 100);
    const slots = new Slots(room);
    const { begun, start } = held(slots);
    const all = [start(bytes(60)), start(bytes(50)), start(bytes(10))];
    // The third would fit beside the first, and does not pass the second.
    expect([begun.length, slots.free, room.memoryTaken]).toEqual([1, 7, 60]);
    begun[0]?.end();
    await all[0];
    expect([begun.length, room.memoryTaken]).toEqual([3, 60]);
    for (const { end } of begun) end();
    await Promise.all(all);
    expect([slots.free, room.memoryTaken]).toEqual([8, 0]);
  });
});

describe('graphics processors', () => {
  it('are given to one job each while there are free ones, the least recently used first', () => {
    const room = new DeviceRoom(
      [
        { id: '0', memory: null },
        { id: '1', memory: null },
      ],
      1,
    );
    expect([room.take(threads(4)), room.take(threads(4)), room.fits(threads(1)), room.free]).toEqual([
      ...['0', '1'],
      ...[false, 0],
    ]);
    room.give(threads(4), '1');
    room.give(threads(4), '0');
    expect([room.take(threads(4)), room.memory]).toEqual(['1', null]);
    expect(() => new DeviceRoom([], 1).take(threads(1))).toThrow('in use');
  });

  it('are shared by as many jobs as are allowed, as far as their memory goes', () => {
    const room = new DeviceRoom(
      [
        { id: 'small', memory: 40 },
        { id: 'large', memory: 80 },
      ],
      2,
    );
    expect([room.total, room.memory]).toEqual([4, { total: 120, job: 80 }]);
    expect([room.holds(bytes(80)), room.holds(bytes(81))]).toEqual([true, false]);
    expect(room.take(bytes(50))).toBe('large');
    // 30 are left there, and 40 on the other one.
    expect(room.take(bytes(35))).toBe('small');
    expect([room.fits(bytes(31)), room.fits(bytes(30))]).toEqual([false, true]);
    // Of unknown need: a place's share, 40 of the large one's 80 and 20 of the small one's 40.
    expect(room.fits({ threads: 1, memory: 0 })).toBe(false);
    room.give(bytes(35), 'small');
    expect([room.take(threads(1)), room.take(threads(1)), room.memoryTaken]).toEqual(['small', 'small', 90]);
    expect([room.fits(bytes(1)), room.take(bytes(1)), room.fits(bytes(1))]).toEqual([true, 'large', false]);
  });
});

/** Whatever is asked for in whatever order, no bound is passed and everything that can run does, in the end. */
it.each<[string, () => Room]>([
  ['threads and memory', () => new ThreadRoom(4, 100)],
  [
    'devices',
    () =>
      new DeviceRoom(
        ['0', '1'].map((id) => ({ id, memory: 100 })),
        3,
      ),
  ],
])('%s are kept to, and nothing waits for ever', async (_name, make) => {
  const needs = fc.array(
    fc.record({ threads: fc.integer({ min: 1, max: 6 }), memory: fc.integer({ min: 0, max: 100 }) }),
    { minLength: 1, maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(needs, fc.infiniteStream(fc.nat()), async (wanted, picks) => {
      const room = make();
      const { begun, start } = held(new Slots(room));
      const all = Promise.all(wanted.map((need) => start(need)));
      for (let left = wanted.length; left > 0; left -= 1) {
        expect(begun.length).toBeGreaterThan(0);
        expect(room.free).toBeGreaterThanOrEqual(0);
        for (const { device } of begun) {
          const beside = begun.filter((one) => one.device === device);
          expect(beside.reduce((sum, { need }) => sum + need.memory, 0)).toBeLessThanOrEqual(100);
        }
        const [ended] = begun.splice((picks.next().value as number) % begun.length, 1);
        ended?.end();
        await new Promise((next) => setImmediate(next));
      }
      await all;
      expect([room.free, room.memoryTaken]).toEqual([room.total, 0]);
    }),
    { numRuns: 60 },
  );
});

it('a delivery that needs more memory than the worker has goes back, however often it comes', async () => {
  const rig = await startRig({ room: new ThreadRoom(2, 100) });
  const delivery = { jobId: '00000000-0000-4000-8000-000000000001', attempt: 1, threads: 1 };
  const comings = Array.from({ length: 40 }, () => rig.runner.keeps('cpu', { ...delivery, memory: 101 }));
  expect(comings).not.toContain(true);
  expect(rig.runner.keeps('cpu', { ...delivery, memory: 100 })).toBe(true);
  expect(rig.runner.keeps('light', { ...delivery, memory: 101 })).toBe(true);
  await rig.close();
});
