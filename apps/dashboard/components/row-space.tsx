/** In the place of a long table's rows that are out of sight. */
export function RowSpace({ height, columns }: { height: number; columns: number }) {
  if (height === 0) return null;
  return (
    <tr aria-hidden="true">
      <td colSpan={columns} className="row-space" style={{ height }} />
    </tr>
  );
}
