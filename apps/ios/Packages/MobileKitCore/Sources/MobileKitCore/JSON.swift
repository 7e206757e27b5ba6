import Foundation

/// The JSON of manifests and reports: `snake_case` keys, sorted, no infinity, no NaN.
public enum JSON {
    /// Write a value.
    ///
    /// - Throws: `Failure` where a number is not finite.
    public static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return try encoder.encode(value)
        } catch let EncodingError.invalidValue(found, context) {
            throw Failure("\(found) cannot be written - at `\(path(context.codingPath))`")
        }
    }

    /// Read a value.
    ///
    /// - Parameters:
    ///   - type: what it must be.
    ///   - data: the text.
    ///   - place: that errors name.
    ///   - keys: how they are spelt; as they are where they are names that somebody chose.
    /// - Throws: `Failure` with the key path.
    public static func decode<T: Decodable>(
        _ type: T.Type, from data: Data, at place: String,
        keys: JSONDecoder.KeyDecodingStrategy = .convertFromSnakeCase
    ) throws -> T {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = keys
        do {
            return try decoder.decode(type, from: data)
        } catch let problem as DecodingError {
            throw Failure("\(place): \(words(of: problem))")
        }
    }

    /// Return a key path as the desk writes it, such as `$.latency.load_ns`.
    static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce("$") { text, key in
            key.intValue.map { "\(text)[\($0)]" } ?? "\(text).\(snake(key.stringValue))"
        }
    }

    private static func words(of problem: DecodingError) -> String {
        switch problem {
        case .keyNotFound(let key, let context):
            "lacks `\(snake(key.stringValue))` - at `\(path(context.codingPath))`"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            context.codingPath.isEmpty
                ? "is not valid JSON, or of another form"
                : "holds what it cannot - at `\(path(context.codingPath))`"
        @unknown default:
            "cannot be read"
        }
    }

    private static func snake(_ name: String) -> String {
        name.reduce(into: "") { text, letter in
            text += letter.isUppercase ? "_\(letter.lowercased())" : String(letter)
        }
    }
}
