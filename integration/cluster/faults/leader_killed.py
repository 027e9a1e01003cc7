"""The process that leads is killed without a chance to say goodbye."""
from lib.killing import kill


def run(stage):
    pods, leader = stage.two()
    kill(stage, pods[leader])
