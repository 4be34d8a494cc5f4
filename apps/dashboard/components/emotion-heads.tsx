import { emotions } from '@ferment/contracts';

/** Heads of the columns of a table with a figure for each emotion. */
export function EmotionHeads() {
  return emotions.map((emotion) => (
    <th key={emotion} scope="col" className="number">
      {emotion}
    </th>
  ));
}
