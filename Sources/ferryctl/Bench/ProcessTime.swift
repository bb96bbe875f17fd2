internal import Foundation

/// Processor time of a process, user and system, over all of its threads.
enum ProcessTime {
    /// Seconds since the process began, as /proc tells them (proc(5), fields 14 and 15); nil once it is gone.
    static func seconds(of process: Int32) -> Double? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return nil }
        // The second field is a name in parentheses, which may hold blanks and parentheses itself.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
