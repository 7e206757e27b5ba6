/// Any JSON, for finding keys that a type does not know.
enum JSONTree: Decodable {
    case object([String: JSONTree])
    case array([JSONTree])
    case value
    case null

    init(from decoder: any Decoder) throws {
        if let entries = try? decoder.container(keyedBy: AnyKey.self) {
            self = .object(
                try entries.allKeys.reduce(into: [:]) { found, key in
                    found[key.stringValue] = try entries.decode(JSONTree.self, forKey: key)
                })
        } else if var items = try? decoder.unkeyedContainer() {
            var found: [JSONTree] = []
            while !items.isAtEnd {
                found.append(try items.decode(JSONTree.self))
            }
            self = .array(found)
        } else {
            self = try decoder.singleValueContainer().decodeNil() ? .null : .value
        }
    }

    /// Return the path of a key that another tree does not have; nil where it has them all.
    func firstKey(missingIn other: JSONTree, at place: String = "$") -> String? {
        switch (self, other) {
        case (.object(let own), .object(let others)):
            for (key, value) in own.sorted(by: { $0.key < $1.key }) {
                guard let same = others[key] else {
                    if case .null = value { continue }
                    return "\(place).\(key)"
                }
                if let found = value.firstKey(missingIn: same, at: "\(place).\(key)") { return found }
            }
        case (.array(let own), .array(let others)):
            for (index, (value, same)) in zip(own, others).enumerated() {
                if let found = value.firstKey(missingIn: same, at: "\(place)[\(index)]") { return found }
            }
        default:
            break
        }
        return nil
    }
}

private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) {
        self.stringValue = stringValue
    }

    init?(intValue: Int) {
        nil
    }
}
