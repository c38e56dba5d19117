/* The data of the page, without the page: which queries there are, in what order, and where a picture lies. */

class Queries {
  constructor(data) {
    this.data = data;
    const counts = Object.values(data.entities).map((entity) => entity.first + entity.keys.length);
    this.images = Math.max(0, ...counts);
  }

  entities() {
    return Object.keys(this.data.entities).filter((name) => this.data.entities[name].sets.length);
  }

  sets(entity) {
    return this.data.entities[entity].sets;
  }

  methods(set) {
    return this.data.methods.filter((method) => Object.hasOwn(set.methods, method.name));
  }

  label(entity, attribute, image) {
    const column = this.data.entities[entity].labels[attribute];
    return column.values[column.codes[image]];
  }

  labels(entity, image) {
    return Object.keys(this.data.entities[entity].labels).map((name) => [name, this.label(entity, name, image)]);
  }

  relevant(entity, conditions, query, image) {
    const columns = this.data.entities[entity].labels;
    return conditions.every((name) => columns[name].codes[query] === columns[name].codes[image]);
  }

  /* Places of the queries in `set` that have the label [attribute, value], or of all of them. */
  filtered(entity, set, label) {
    const places = set.queries.map((_, place) => place);
    return label ? places.filter((place) => this.label(entity, label[0], set.queries[place]) === label[1]) : places;
  }

  /* Ordered by score or by difference; ties by key, queries without a score last. */
  ordered(entity, set, places, order, first, second) {
    const keys = this.data.entities[entity].keys;
    const of = (method, place) => set.methods[method]?.scores[place] ?? null;
    const sign = order === "best" || order === "gain" ? -1 : 1;
    const value = (place) => {
      const one = of(first, place);
      if (order !== "gain" && order !== "loss") return one;
      const other = of(second, place);
      return one === null || other === null ? null : one - other;
    };
    const byKey = (a, b) => (keys[set.queries[a]] < keys[set.queries[b]] ? -1 : 1);
    if (order === "key") return [...places].sort(byKey);
    const values = new Map(places.map((place) => [place, value(place)]));
    return [...places].sort((a, b) => {
      const [x, y] = [values.get(a), values.get(b)];
      if (x === null || y === null) return x === y ? byKey(a, b) : x === null ? 1 : -1;
      return sign * (x - y) || byKey(a, b);
    });
  }

  mean(set, places, method) {
    const scores = places.map((place) => set.methods[method].scores[place]).filter((score) => score !== null);
    return scores.length ? scores.reduce((sum, score) => sum + score, 0) / scores.length : null;
  }

  /* Sheet of an image, and its place on it in percent, as CSS wants it. */
  picture(entity, image) {
    if (!this.data.pictured) return null;
    const { columns } = this.data;
    const number = this.data.entities[entity].first + image;
    const sheet = Math.floor(number / columns ** 2);
    const rows = Math.ceil(Math.min(this.images - sheet * columns ** 2, columns ** 2) / columns);
    const [x, y] = [number % columns, Math.floor((number % columns ** 2) / columns)];
    return {
      file: `pictures/${String(sheet).padStart(4, "0")}.jpg`,
      size: `${100 * columns}% ${100 * rows}%`,
      position: `${columns > 1 ? (100 * x) / (columns - 1) : 0}% ${rows > 1 ? (100 * y) / (rows - 1) : 0}%`,
    };
  }
}
