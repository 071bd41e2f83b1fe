/** The sign of the product: a parcel that is ticked off. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M9 16.5l4.6 4.6L23.2 11.4" />
    </svg>
  );
}
