internal import FerryStateMachines
internal import FerryWire

// Operators who end doubts by hand.
extension SimulationWorld {
    /// Somebody may look at a doubt that was reported, a while later.
    func reported(_ migration: MigrationID, as role: MoveRole, at node: SimulationNode) {
        guard settings.hasOperators, isFaulty, random.chance(700) else { return }
        let index = node.endpoint.index
        after(random.milliseconds(0...3_000), endpoint: index, boot: node.endpoint.bootCount) { world in
            guard let move = world.move(migration), let word = world.rightWord(of: move, as: role) else { return }
            world.nodes[index].resolve(move, word)
        }
    }

    /// What an operator may say who knows how the other node stands; nil when only waiting is right.
    private func rightWord(of move: MoveTruth, as role: MoveRole) -> MoveResolution? {
        switch role {
        case .source:
            // A target that has signed its Take becomes the owner once it is acknowledged, unless its own operator has let go.
            let mayLetGo = move.targetState == .took && move.resolution(.target) == nil
            return mayLetGo && random.chance(500) ? .giveUp : .takeBack
        case .target:
            guard case .letGo = move.outcome(.source) else { return move.resolution(.source) == .giveUp ? nil : .giveUp }
            // The source has let go for good.
            return .takeBack
        case .orchestrator: return nil
        }
    }
}
